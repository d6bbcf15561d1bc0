"""A person at a terminal: events are printed above the line that is being typed.

To draw that line takes ``prompt_toolkit`` (``pip install chatservice[client]``), which only
:mod:`.editor` and :mod:`.output` import. Without it, and on a terminal that can't draw,
:mod:`.plain` prints the same conversation.
"""
