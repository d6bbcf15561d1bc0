"""The service's lines to people who enter, for all tests that await or check them.

Scripts wait for these lines, too: ``test_welcome.py`` holds their exact text.
"""

from __future__ import annotations

from typing import Final

GREETING: Final = "-- welcome! what is your name?"


def hello(name: str) -> str:
    """Return the line to a person whose name was granted."""
    return f"-- hello {name}! /help shows what you can do"


def in_room(room: str = "lobby") -> str:
    """Return the beginning of the line about a room that a person has entered."""
    return f"-- you are in #{room}"


def entered(room: str = "lobby", company: str = "") -> str:
    """Return the whole line about a room that a person has entered.

    :param company: the other people there, as the line lists them.
    """
    return in_room(room) + (f" with {company}" if company else ": no one else yet")


ALONE: Final = entered()
