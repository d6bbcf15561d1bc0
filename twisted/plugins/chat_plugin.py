"""Names the service to twistd.

There must be no __init__.py in this folder, nor in the one above it: an installation would write it
over Twisted's own.
"""

from twisted.application.service import ServiceMaker

chat = ServiceMaker(
    "chat",
    "chatservice.tap",
    "A chat that anything with a TCP connection can join.",
    "chat",
)

chat_client = ServiceMaker(
    "chat-client",
    "chatservice.client.tap",
    "A client of the chat, for terminals and pipes; only with twistd -n.",
    "chat-client",
)
