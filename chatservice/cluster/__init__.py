"""The cluster: processes (nodes) that follow one log, and so show one conversation.

:mod:`.log` is the interface of the log, and :mod:`.nats` keeps the log at brokers. All nodes agree
on :mod:`.registry`, since each derives it from the same entries in the same order. :mod:`.journal`
is a node's end of the log; :mod:`.peers` gives a chat the members that are on other nodes.
"""
