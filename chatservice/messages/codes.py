"""The codes by which programs recognise why a request was refused or a connection closed."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Code(str, Enum):
    """The reason for a refusal. These words never change; the sentences sent with them may."""

    NOT_JSON = "not_json"
    UNKNOWN_TYPE = "unknown_type"
    BAD_FIELD = "bad_field"
    TOO_LONG = "too_long"
    HELLO_FIRST = "hello_first"
    WELCOME_ALREADY = "welcome_already"
    BAD_NAME = "bad_name"
    NAME_TAKEN = "name_taken"
    UNKNOWN_TOKEN = "unknown_token"
    NOT_IN_ROOM = "not_in_room"
    NOT_LET_IN = "not_let_in"
    NOT_HERE = "not_here"
    MUTED = "muted"
    SEQ_REUSED = "seq_reused"
    SEQ_UNKNOWN = "seq_unknown"
    WENT_WRONG = "went_wrong"
    KICKED = "kicked"
    BANNED = "banned"
    CROWDED = "crowded"
    TOO_SLOW = "too_slow"


FINAL_CODES: Final = (Code.KICKED, Code.BANNED)
"""Codes after which a program must not reconnect by itself: it was kicked or banned."""
