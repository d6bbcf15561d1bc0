"""Sentences of the server that a program has to recognise: shared by the server and the client.

Each stands behind the ``-- `` of all that is the service's own.
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
"""``until …`` may follow, as behind all that is said of what an operator did."""
NOT_HERE_ANY_MORE: Final = "who wrote to you last is not here any more"
WAITS: Final = "what is said now waits, and is shown later"
"""How each sentence ends that tells people why what they say is not shown yet."""
UNSTORED: Final = "the history can't be written: what is said now waits, and is shown later"
STORED_AGAIN: Final = "the history is written again: what waited is shown now"
FORGOTTEN: Final = "some lines are missing here: they were forgotten before you could read them"
WENT_WRONG: Final = "that went wrong on our side, and was written down"

KICKED: Final = "you were kicked"
BANNED: Final = "you are banned from here"

SENT_AWAY: Final = (KICKED, BANNED)
"""How it begins that somebody is not wanted; a program does not come back by itself then."""
