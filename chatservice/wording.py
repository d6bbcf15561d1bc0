"""What the server says that a program has to recognise: shared by the server and the client.

Each stands behind the ``-- `` of all that is the service's own.
"""

from __future__ import annotations

from typing import Final

ASK_NAME: Final = "welcome! what is your name?"
ASK_AGAIN: Final = "another name, please?"
HELLO: Final = "hello {name}! /help shows what you can do"
GOODBYE: Final = "goodbye, {name}"
NOWHERE: Final = "you are in no room: /join one first"
TOO_LONG: Final = "that line was too long: at most {most:,} characters"
MUTED: Final = "you are muted"
"""``, until …`` may follow."""

REFUSALS: Final = (
    NOWHERE,
    MUTED,
    TOO_LONG.partition(":")[0],
    "usage: ",
    "there is no /",
)
"""How answers begin to a line that was not taken."""
