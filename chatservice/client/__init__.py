"""A client for terminals and pipes, and a library for programs that chat.

A program starts with :func:`connect`; all names that it needs are here.
"""

from chatservice.client.library import Chat, ChatError, connect
from chatservice.client.session.bookmark import Remembered
from chatservice.messages import About, Event, NameList, Past, Person, RoomList, RoomSeen, Up, WhoIs

__all__ = [
    "About",
    "Chat",
    "ChatError",
    "Event",
    "NameList",
    "Past",
    "Person",
    "Remembered",
    "RoomList",
    "RoomSeen",
    "Up",
    "WhoIs",
    "connect",
]
