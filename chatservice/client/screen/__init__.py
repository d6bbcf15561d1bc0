"""A person on a terminal: lines come in above the one that is being typed.

That line needs ``prompt_toolkit`` (``pip install chatservice[client]``), which nothing but
:mod:`.editor` and :mod:`.output` imports. Without it, and on a terminal that can do no more, the
same conversation is printed by :mod:`.plain`.
"""
