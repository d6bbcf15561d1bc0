"""The messages of the machine protocol: one JSON object a line, in UTF-8, both ways.

An example, ``<`` from a program and ``>`` to it::

    < {"type":"hello","name":"bot"}
    > {"type":"welcome","name":"bot","token":"kR…","journal":"5f…","since":1041,"seq":0,…}
    > {"type":"ok","to":"join","room":"lobby","topic":"","people":2}
    < {"type":"say","room":"lobby","text":"hi","seq":1}
    > {"type":"ok","to":"say","id":1043,"at":"…Z","seq":1}
    > {"type":"said","id":1044,"at":"…Z","room":"lobby","author":"ana","text":"hello bot"}

Server and client share these types, so their messages can't differ. A field with its default value
is left out. ``docs/protocol.md`` explains when each message is sent, and its meaning.
"""

from __future__ import annotations

from chatservice.messages.codes import FINAL_CODES, Code
from chatservice.messages.fields import SEQ_MOST, Message
from chatservice.messages.lines import (
    BYTES_A_CHARACTER,
    LINE_OVERHEAD,
    OPENING,
    encode,
    in_parts,
    moment,
    reply,
    request,
)
from chatservice.messages.replies import (
    EVENTS,
    About,
    BadMessage,
    Error,
    Event,
    Live,
    NameList,
    Notice,
    Ok,
    Past,
    Person,
    Pong,
    Replaced,
    Reply,
    RoomList,
    RoomSeen,
    Up,
    Welcome,
    WhoIs,
    refusal,
    time_of,
)
from chatservice.messages.requests import (
    REQUESTS,
    Away,
    Do,
    Hello,
    History,
    Join,
    Leave,
    LookUp,
    Names,
    Nick,
    Ping,
    Private,
    Quit,
    Request,
    Rooms,
    Say,
    Talk,
    Topic,
    Uptime,
    Who,
)

__all__ = [
    "BYTES_A_CHARACTER",
    "EVENTS",
    "FINAL_CODES",
    "LINE_OVERHEAD",
    "OPENING",
    "REQUESTS",
    "SEQ_MOST",
    "About",
    "Away",
    "BadMessage",
    "Code",
    "Do",
    "Error",
    "Event",
    "Hello",
    "History",
    "Join",
    "Leave",
    "Live",
    "LookUp",
    "Message",
    "NameList",
    "Names",
    "Nick",
    "Notice",
    "Ok",
    "Past",
    "Person",
    "Ping",
    "Pong",
    "Private",
    "Quit",
    "Replaced",
    "Reply",
    "Request",
    "RoomList",
    "RoomSeen",
    "Rooms",
    "Say",
    "Talk",
    "Topic",
    "Up",
    "Uptime",
    "Welcome",
    "Who",
    "WhoIs",
    "encode",
    "in_parts",
    "moment",
    "refusal",
    "reply",
    "request",
    "time_of",
]
