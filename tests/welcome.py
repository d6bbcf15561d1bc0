"""What the service says to people who come in, for all tests that wait for it or look at it.

Scripts wait for these lines, too: ``test_welcome.py`` holds their exact text.
"""

from __future__ import annotations

from typing import Final

GREETING: Final = "-- welcome! what is your name?"


def hello(name: str) -> str:
    """What somebody is told whose name was granted."""
    return f"-- hello {name}! /help shows what you can do"


def in_room(room: str = "lobby") -> str:
    """How the line begins that tells somebody about the room that it has come into."""
    return f"-- you are in #{room}"


def entered(room: str = "lobby", company: str = "") -> str:
    """All of that line.

    :param company: who is there, as the line tells it.
    """
    return in_room(room) + (f" with {company}" if company else ": no one else yet")


ALONE: Final = entered()
