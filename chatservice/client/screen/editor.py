"""The typed line and the rows around it, drawn by an application of prompt_toolkit.

It takes the last rows of the terminal: the unsent lines, the typed line, and the status line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, has_focus
from prompt_toolkit.formatted_text import FormattedText, StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.defaults import create_input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.widgets import CompletionsToolbar, SearchToolbar
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from wcwidth import clip

from chatservice.client.screen.app import Screen
from chatservice.client.screen.commands import ALL, COMMANDS, SETTINGS, row_of
from chatservice.client.screen.output import (
    Drawing,
    Folding,
    Output,
    folds,
    standard_output,
    style_for,
)
from chatservice.client.screen.paper import PROMPT
from chatservice.client.screen.rendering import Text, counted
from chatservice.client.stored.state import BELLS
from chatservice.text import names
from chatservice.text.grammar import Row
from chatservice.text.layout import width
from chatservice.text.sanitising import safe

EDGE: Final = 10
"""One in so many columns is left empty at the right edge, so that the drawing still fits, and stays
in place, when the terminal gets a little narrower."""


_BEFORE_WORD: Final = "@(\"'#/"
"""Signs that may stand directly before a name, a room or a command."""

LINES_MOST: Final = 5
CHARACTERS_MOST: Final = 2000
"""Above one of these limits, the client asks before it sends a pasted text."""

SHOWN: Final = 3
"""The number of pasted lines, or of unsent lines, that are shown."""


class _Typed(FileHistory):
    """The history of typed lines, in a file that need not be writable."""

    def store_string(self, string: str) -> None:
        """See :class:`History`."""
        with contextlib.suppress(OSError):
            super().store_string(string)


class Editor:
    """Draws the typed line at the foot of the terminal, and edits it.

    :param history: the file of earlier typed lines; None to keep them only in this process.
    :param input: the keyboard, if it is not the standard input.
    :param output: the screen, if it is not the standard output.
    """

    echoes = False

    _screen: Screen

    def __init__(
        self,
        history: Path | None = None,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._prompt = PROMPT
        self._folding = Folding(len(PROMPT))
        self._question = ""
        self._closing = False
        self._pasted: str | None = None
        self._output = output or standard_output()
        remembered: History = InMemoryHistory() if history is None else _Typed(history)
        self._completing = Completing()
        self._buffer = Buffer(
            completer=self._completing,
            complete_while_typing=False,
            history=remembered,
            multiline=False,
        )
        # Variables such as NO_COLOR.
        depth = ColorDepth.from_env() or self._output.get_default_color_depth()
        self._style = style_for(depth)
        self.app = Drawing(
            layout=self._layout(),
            key_bindings=self._keys(),
            style=self._style,
            color_depth=depth,
            include_default_pygments_style=False,
            erase_when_done=True,
            refresh_interval=1.0,
            # Printed lines are written together with the next drawing, and wait for it.
            max_render_postpone_time=None,
            input=input or create_input(),
            output=self._output,
            before_render=lambda _: self.app.find(),
            after_render=lambda _: self._output.release(),
        )
        self.app.folded = folds(os.environ)

    def _layout(self) -> Layout:
        asking = Condition(lambda: self._pasted is not None)
        search = SearchToolbar(ignore_case=True)
        line = BufferControl(
            self._buffer,
            input_processors=[self._folding],
            search_buffer_control=search.control,
            preview_search=True,
        )
        unsent = FormattedTextControl(self._unsent)
        self._typing = Window(
            line,
            height=lambda: Dimension(min=1, max=max(1, self._output.get_size().rows // 2)),
            wrap_lines=True,
            dont_extend_height=True,
            get_line_prefix=self._prefix,
        )
        question = FormattedTextControl(
            lambda: [("class:prompt", self._question), ("[SetCursorPosition]", "")],
            focusable=True,
            key_bindings=self._keys_of_question(),
        )
        self._asking = Window(question, height=1)
        status = FormattedTextControl(lambda: FormattedText(self._status()))
        rows = HSplit(
            [
                ConditionalContainer(
                    Window(unsent, dont_extend_height=True, style="class:unsent"),
                    Condition(lambda: bool(self._unsent())),
                ),
                ConditionalContainer(self._asking, asking),
                ConditionalContainer(VSplit([self._typing, Window(width=self._edge)]), ~asking),
                search,
                CompletionsToolbar(),
                ConditionalContainer(Window(status, height=1), ~has_completions),
            ]
        )
        return Layout(rows, focused_element=self._typing)

    def _edge(self) -> int:
        return self._output.get_size().columns // EDGE

    def _room(self) -> int:
        return self._output.get_size().columns - self._edge()

    def _prefix(self, line: int, wrapped: int) -> StyleAndTextTuples:
        if line or wrapped:
            return [("", " " * len(self._prompt))]
        return [("class:prompt", self._prompt)]

    def _status(self) -> Text:
        return self._screen.status(self._room(), self._buffer.text)

    def _unsent(self) -> StyleAndTextTuples:
        room = self._room()
        rows = [f"… {sent.text}" for sent in self._screen.unsent()[-SHOWN:]]
        cut = [row if width(row) < room else clip(row, 0, room - 2) + "…" for row in rows]
        return [("", "\n".join(cut))] if cut else []

    def _keys(self) -> KeyBindings:
        """Bind the client's own keys; all others work as in Emacs."""
        keys = KeyBindings()
        editing = has_focus(self._buffer)
        empty = Condition(lambda: not self._buffer.text)

        keys.add("enter", filter=editing)(lambda event: self._enter())
        keys.add(Keys.BracketedPaste, filter=editing)(lambda event: self._paste(event.data))
        keys.add("c-c", filter=editing & ~empty)(lambda event: self._buffer.reset())
        keys.add("c-z")(lambda event: event.app.suspend_to_background())
        for key in ("c-c", "c-d"):
            keys.add(key, filter=editing & empty)(lambda event: self._screen.interrupt())
        for digit in "0123456789":
            keys.add("escape", digit, filter=editing)(
                lambda event: self._screen.turn_page(int(event.data))
            )
        return keys

    def _keys_of_question(self) -> KeyBindings:
        keys = KeyBindings()
        for key in ("y", "Y"):
            keys.add(key)(lambda event: self._answer(True))
        for key in ("n", "N", "escape", "c-c", "c-d"):
            keys.add(key)(lambda event: self._answer(False))
        return keys

    # Drawing

    def open(self, screen: Screen) -> Deferred[None]:
        """Take over the terminal; fires when it is restored."""
        self._screen = self._completing.screen = screen
        self._output.gone = screen.hung_up
        self.app.key_processor.after_key_press += lambda _: screen.touched()
        running = asyncio.ensure_future(
            self.app.run_async(
                pre_run=self._begun, handle_sigint=False, set_exception_handler=False
            )
        )
        closed: Deferred[None] = Deferred.fromFuture(running)
        return closed.addErrback(self._torn)

    def _torn(self, failure: Failure) -> None:
        failure.trap(EOFError)
        self._screen.hung_up()

    def _begun(self) -> None:
        # Begin at the foot: with rows below the line, tmux moves rows that it folds out of reach.
        self._output.cursor_goto(self._output.get_size().rows, 1)
        if self._closing:
            self.app.exit()

    def close(self) -> None:
        """Restore the terminal."""
        self._closing = True
        if self.app.is_running and not self.app.is_done:
            self.app.exit()

    @property
    def columns(self) -> int:
        """The width of the terminal."""
        return self._output.get_size().columns

    def show(self, text: Text, ring: bool) -> None:
        """Print lines above the typed line, and ring the bell if asked to."""
        self._begin()
        shown = FormattedText(text)
        print_formatted_text(self._output, shown, self._style, color_depth=self.app.color_depth)
        if ring:
            self._output.bell()
        self._go_on()

    def turn(self) -> None:
        """Scroll everything off the screen, and go on at the foot."""
        self._begin()
        self._output.write_raw("\n" * (self._output.get_size().rows - 1))
        self._go_on()

    def _begin(self) -> None:
        # Like run_in_terminal(), but without letting the terminal echo keys meanwhile.
        self._output.hold()
        self.app.erase()

    def _go_on(self) -> None:
        if self.app.is_running and not self.app.is_done:
            self.app.invalidate()
        else:
            self._output.release()

    def refresh(self) -> None:
        """Redraw the rows around the typed line."""
        self.app.invalidate()

    def prompt(self, words: str = PROMPT) -> None:
        """Show a prompt in front of the typed line."""
        self._prompt = words
        self._folding.margin = len(words)
        self.app.invalidate()

    # Typing

    def _enter(self) -> None:
        """Empty the line, and pass its text on; the key Up brings it back for correction."""
        text = self._buffer.text
        if self._prompt == PROMPT and text.strip():
            self._buffer.append_to_history()
        self._buffer.reset()
        self._screen.typed(text)

    def _paste(self, text: str) -> None:
        """Insert a pasted text, or ask before sending it if it is long."""
        # Terminals differ in the line ends that they paste.
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        document = self._buffer.document
        whole = f"{document.text_before_cursor}{text}{document.text_after_cursor}"
        if self._screen.naming or not is_long(text):
            self._buffer.insert_text(text)
            return
        lines = lines_of(whole)
        self._screen.tell(*preview(lines, self.columns))
        self._pasted = whole
        self._question = f"send {counted(len(lines))}? y/n "
        self.app.layout.focus(self._asking)
        self.app.invalidate()

    def _answer(self, yes: bool) -> None:
        pasted, self._pasted = self._pasted, None
        self.app.layout.focus(self._typing)
        if not yes:
            self._screen.tell("nothing of it was sent")
        elif pasted is not None:
            self._buffer.document = Document(pasted)
            self._enter()


def lines_of(text: str) -> list[str]:
    """Split a text into the lines that would be said, without blank ones."""
    return [line for line in map(safe, text.replace("\r", "\n").split("\n")) if line]


def is_long(text: str) -> bool:
    """Return whether a pasted text is so long that the client asks before sending it."""
    return len(lines_of(text)) > LINES_MOST or len(text) > CHARACTERS_MOST


def preview(lines: list[str], columns: int) -> list[str]:
    """Return the size and the first lines of a pasted text, to show."""
    characters = sum(map(len, lines))
    shown = [f"  {clip(line, 0, max(8, columns - 5)).rstrip()}" for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(f"  … and {len(lines) - SHOWN:,} more")
    return [f"you pasted {counted(len(lines))}, {characters:,} characters:", *shown]


class Completing(Completer):
    """Completes commands and their words, rooms, and names, also in the middle of a line."""

    screen: Screen

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """See :class:`Completer`."""
        before = document.current_line_before_cursor
        word = before.split(" ")[-1]
        if not before.startswith("/") or before.startswith("//"):
            behind = ": " if word == before and not document.text_after_cursor else ""
            return _offered(word, self.screen.there(), behind)
        if word == before:
            commands = [f"{row.name} " if row.takes else row.name for row in COMMANDS.values()]
            return _offered(word, commands, sign="/")
        name, _, typed = before[1:].partition(" ")
        command = row_of(name)
        return () if command is None else self._arguments(command, typed.lstrip().split(" "))

    def _arguments(self, command: Row, words: list[str]) -> Iterable[Completion]:
        kinds = command.kinds
        rest = kinds.index("TEXT") if "TEXT" in kinds else len(kinds)
        place = min(len(words) - 1, rest)
        if place >= len(kinds):
            return ()
        offers: dict[str, Iterable[str]] = {
            "NAME": self.screen.everybody(),
            "TEXT": self.screen.there(),
            "ROOM": self.screen.rooms_known,
            "COMMAND": COMMANDS,
            "MODE": BELLS,
            "WHAT": SETTINGS,
            "TO": SETTINGS.get(words[0].lower(), ()),
            "VIEW": (*(view.room or view.label for view in self.screen.views), ALL),
        }
        kind, behind = kinds[place], " " if place + 1 < len(kinds) else ""
        return _offered(words[-1], offers.get(kind, ()), behind, "#" if kind == "ROOM" else "")


def _offered(
    word: str, offers: Iterable[str], behind: str = "", sign: str = ""
) -> Iterable[Completion]:
    """Yield the offers that begin with the typed word, as completions.

    :param behind: the text to insert after the completed word.
    :param sign: the sign to show before each offer, which may have been typed.
    """
    begun = word.lstrip(_BEFORE_WORD)
    for offer in offers:
        if names.key(offer).startswith(names.key(begun)):
            shown = f"{sign}{offer.strip()}"
            yield Completion(f"{offer}{behind}", -len(begun), display=shown)
