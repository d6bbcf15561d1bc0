"""Many processes, one conversation: each node follows one log, and so all tell the same.

:mod:`.log` is what there is to follow, :mod:`.log` where it is kept. :mod:`.registry` is what
all nodes agree on, since each makes it of the same entries in the same order. :mod:`.journal` is
the node's end of the log; :mod:`.chat` is a chat in which some members are on other nodes.
"""
