"""The keys that mean something of their own; all others are as in every line editor (Emacs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from prompt_toolkit.application.current import get_app
from prompt_toolkit.filters import Condition, Filter
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys


class Actions(NamedTuple):
    """What keys do."""

    enter: Callable[[], None]
    paste: Callable[[str], None]
    leave: Callable[[], None]


def for_line(editing: Filter, actions: Actions) -> KeyBindings:
    """Bind the keys of the line that is typed.

    :param editing: tells whether the line is what keys go to.
    """
    keys = KeyBindings()
    empty = Condition(lambda: not get_app().current_buffer.text)

    @keys.add("enter", filter=editing)
    def _enter(event: KeyPressEvent) -> None:
        actions.enter()

    @keys.add(Keys.BracketedPaste, filter=editing)
    def _paste(event: KeyPressEvent) -> None:
        # Terminals differ in what they make of the end of a line.
        actions.paste(event.data.replace("\r\n", "\n").replace("\r", "\n"))

    @keys.add("c-c", filter=editing & ~empty)
    def _clear(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    @keys.add("c-c", filter=editing & empty)
    @keys.add("c-d", filter=editing & empty)
    def _leave(event: KeyPressEvent) -> None:
        actions.leave()

    @keys.add("c-z")
    def _suspend(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()

    return keys


def for_question(answer: Callable[[bool], None]) -> KeyBindings:
    """Bind the keys that answer a question."""
    keys = KeyBindings()

    @keys.add("y")
    @keys.add("Y")
    def _yes(event: KeyPressEvent) -> None:
        answer(True)

    @keys.add("n")
    @keys.add("N")
    @keys.add("escape")
    @keys.add("c-c")
    @keys.add("c-d")
    def _no(event: KeyPressEvent) -> None:
        answer(False)

    return keys
