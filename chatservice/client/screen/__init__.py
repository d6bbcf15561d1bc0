"""The client on a terminal: what comes in goes above the line that is being typed.

It needs ``prompt_toolkit`` (``pip install chatservice[client]``), which nothing outside of this
folder imports. :class:`chatservice.client.screen.app.Screen` is what there is to start.
"""
