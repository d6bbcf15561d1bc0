"""Sentences of the server that a program must recognise, shared by the server and the client.

Each follows ``-- ``, the prefix of the service's own lines.
"""

from __future__ import annotations

from typing import Final

ASK_NAME: Final = "welcome! what is your name?"
ASK_AGAIN: Final = "another name, please?"
HELLO: Final = "hello {name}! /help shows what you can do"
RENAMED: Final = "you are {name} now"
GOODBYE: Final = "goodbye, {name}"
NOWHERE: Final = "you are in no room: /join one first"
TOO_LONG: Final = "that line was too long: at most {most:,} characters"
MUTED: Final = "you are muted"
"""``until …`` may follow, as in every sentence about an operator's action."""
NOT_HERE_ANY_MORE: Final = "who wrote to you last is not here any more"
WAITS: Final = "what is said now waits, and is shown later"
"""The end of each sentence that tells people why their words are not shown yet."""
UNSTORED: Final = "the history can't be written: what is said now waits, and is shown later"
STORED_AGAIN: Final = "the history is written again: what waited is shown now"
FORGOTTEN: Final = "some lines are missing here: they were forgotten before you could read them"
WENT_WRONG: Final = "that went wrong on our side, and was written down"

KICKED: Final = "you were kicked"
BANNED: Final = "you are banned from here"

SENT_AWAY: Final = (KICKED, BANNED)
"""The beginnings of sentences that send somebody away; a program must not reconnect then."""
