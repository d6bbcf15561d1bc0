"""What the Tab key makes of the beginning of a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatservice.client.screen.app import Screen
from chatservice.client.screen.commands import ALL, COMMANDS, SETTINGS, row_of
from chatservice.client.stored.state import BELLS
from chatservice.text import names
from chatservice.text.grammar import Row

_BEFORE_NAME: Final = "@(\"'"
"""What may stand directly before a name."""


class Completing(Completer):
    """Completes commands and what they take, rooms, and names: also in the middle of a line."""

    screen: Screen

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """See :class:`Completer`."""
        before = document.current_line_before_cursor
        if before.startswith("/") and not before.startswith("//"):
            word, space, typed = before[1:].partition(" ")
            if not space:
                return self._commands(word)
            command = row_of(word)
            return self._arguments(command, typed.lstrip()) if command is not None else ()
        word = before.split(" ")[-1]
        behind = ": " if word == before and not document.text_after_cursor else ""
        return self._names(word, self.screen.there(), behind)

    def _commands(self, word: str, slash: str = "/") -> Iterable[Completion]:
        for command in COMMANDS.values():
            if command.name.startswith(word.lower()):
                space = " " if command.takes and slash else ""
                yield Completion(
                    f"{command.name}{space}", -len(word), display=f"{slash}{command.name}"
                )

    def _arguments(self, command: Row, typed: str) -> Iterable[Completion]:
        kinds = command.kinds
        words = typed.split(" ")
        rest = kinds.index("TEXT") if "TEXT" in kinds else len(kinds)
        place = min(len(words) - 1, rest)
        if place >= len(kinds):
            return ()
        word, kind = words[-1], kinds[place]
        space = " " if place + 1 < len(kinds) else ""
        if kind == "NAME":
            return self._names(word, self.screen.everybody(), space)
        if kind == "TEXT":
            return self._names(word, self.screen.there(), "")
        if kind == "ROOM":
            return self._rooms(word, space)
        if kind == "COMMAND":
            return self._commands(word.removeprefix("/"), slash="")
        options = {
            "MODE": BELLS,
            "WHAT": tuple(SETTINGS),
            "TO": SETTINGS.get(words[0].lower(), ()),
            "VIEW": (*(view.label for view in self.screen.views), ALL),
        }
        return [
            Completion(f"{one}{space}", -len(word), display=one)
            for one in options.get(kind, ())
            if names.key(one).startswith(names.key(word))
        ]

    def _names(self, word: str, people: list[str], behind: str) -> Iterable[Completion]:
        begun = word.lstrip(_BEFORE_NAME)
        wanted = names.key(begun)
        for name in people:
            if names.key(name).startswith(wanted):
                yield Completion(f"{name}{behind}", -len(begun), display=name)

    def _rooms(self, word: str, behind: str) -> Iterable[Completion]:
        begun = word.removeprefix("#")
        for room in self.screen.rooms_known:
            if room.startswith(begun.lower()):
                yield Completion(f"{room}{behind}", -len(begun), display=f"#{room}")
