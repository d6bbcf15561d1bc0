"""The line that is typed, with what stands around it: prompt_toolkit's application.

It takes the last rows of the terminal: what is not sent yet, the line, and the status below it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.defaults import create_input
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
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.widgets import CompletionsToolbar, SearchToolbar
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.client.screen.folding import Folding
from chatservice.client.screen.keys import Actions, for_line, for_question
from chatservice.client.screen.output import Output
from chatservice.client.screen.reflow import folds, rows_above
from chatservice.client.screen.styles import style_for

PROMPT: Final = "> "

EDGE: Final = 10
"""One in so many columns is left empty at the edge. So what is drawn still fits when the terminal
gets a little narrower, and is where it was."""


class Host(Protocol):
    """Who is told what is typed, and knows what stands around it."""

    def typed(self, text: str) -> None:
        """Take what was typed."""

    def touched(self) -> None:
        """A key was pressed: somebody is looking."""

    def pasted(self, text: str, whole: str) -> bool:
        """Look at what is pasted; returns whether it is taken care of, and not to be inserted.

        :param whole: the line as it would be with it.
        """

    def left(self) -> None:
        """Leave: that was Ctrl-D, or Ctrl-C."""

    def hung_up(self) -> None:
        """There is no terminal any more."""

    def status(self, columns: int, typed: str) -> StyleAndTextTuples:
        """Return the line below."""

    def unsent(self, columns: int) -> list[str]:
        """Return what is to be shown as not sent yet."""


class _Typed(FileHistory):
    """What was typed, in a file that need not be writable."""

    def store_string(self, string: str) -> None:
        """See :class:`History`."""
        with contextlib.suppress(OSError):
            super().store_string(string)


class _Application(Application[None]):
    """An application that finds itself again when the size of the terminal has changed."""

    folded = False
    """Whether the terminal folds what it has no room for."""

    def erase(self) -> None:
        """Take away what was drawn, wherever that is by now."""
        screen = self.renderer.last_rendered_screen
        if self.folded and screen is not None:
            cursor = self.renderer._cursor_pos
            rows = [_widths(screen.data_buffer[y]) for y in range(cursor.y + 1)]
            above = rows_above(rows, cursor.x, self.output.get_size().columns)
            self.renderer._cursor_pos = Point(x=cursor.x, y=above)
        self.renderer.erase(leave_alternate_screen=False)

    def find(self) -> None:
        """Erase what was drawn for another size of the terminal.

        Something else than the signal that tells of a new size may be the first to draw again.
        """
        if self.renderer._last_size not in (None, self.output.get_size()):
            self.erase()

    def _on_resize(self) -> None:
        self.erase()
        super()._on_resize()


class Editor:
    """The line that is typed.

    :param history: the file of what was typed before.
    :param input: the keyboard, if it is not the standard input.
    :param output: the screen, if it is not the standard output.
    :ivar echoes: whether what was typed stays where it was typed.
    """

    echoes = False

    def __init__(
        self,
        host: Host,
        completer: Completer,
        history: Path | None = None,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._host = host
        self._prompt = PROMPT
        self._folding = Folding(len(PROMPT))
        self._question = ""
        self._closing = False
        self._answered: Callable[[bool], None] | None = None
        self._output = output or _standard_output()
        self._output.gone = host.hung_up
        remembered: History = InMemoryHistory() if history is None else _Typed(history)
        self._buffer = Buffer(
            completer=completer, complete_while_typing=False, history=remembered, multiline=False
        )
        # NO_COLOR and the like.
        depth = ColorDepth.from_env() or self._output.get_default_color_depth()
        self._style = style_for(depth)
        self.app = _Application(
            layout=self._layout(),
            key_bindings=for_line(
                has_focus(self._buffer), Actions(self._enter, self._paste, host.left)
            ),
            style=self._style,
            color_depth=depth,
            include_default_pygments_style=False,
            erase_when_done=True,
            refresh_interval=1.0,
            # What is printed waits for it, to be written in one piece with it.
            max_render_postpone_time=None,
            input=input or create_input(),
            output=self._output,
            before_render=lambda _: self.app.find(),
            after_render=lambda _: self._output.release(),
        )

        self.app.folded = folds(os.environ)
        self.app.key_processor.after_key_press += lambda _: host.touched()

    def _layout(self) -> Layout:
        asking = Condition(lambda: self._answered is not None)
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
            key_bindings=for_question(self._answer),
        )
        self._asking = Window(question, height=1)
        status = FormattedTextControl(lambda: self._host.status(self._room(), self._buffer.text))
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

    def _unsent(self) -> StyleAndTextTuples:
        rows = self._host.unsent(self._room())
        return [("", "\n".join(rows))] if rows else []

    # What it can be told

    def open(self) -> Deferred[None]:
        """Take the terminal; fires when it is given back, as it was."""
        running = asyncio.ensure_future(
            self.app.run_async(
                pre_run=self._begun, handle_sigint=False, set_exception_handler=False
            )
        )
        closed: Deferred[None] = Deferred.fromFuture(running)
        return closed.addErrback(self._torn)

    def _torn(self, failure: Failure) -> None:
        failure.trap(EOFError)
        self._host.hung_up()

    def _begun(self) -> None:
        if self._closing:
            self.app.exit()

    def close(self) -> None:
        """Give the terminal back."""
        self._closing = True
        if self.app.is_running and not self.app.is_done:
            self.app.exit()

    @property
    def columns(self) -> int | None:
        """How wide the terminal is."""
        return self._output.get_size().columns

    def show(self, text: StyleAndTextTuples, ring: bool) -> None:
        """Print lines above the line that is typed."""
        # As run_in_terminal() does, but that has the terminal echo what is typed meanwhile.
        self._output.hold()
        self.app.erase()
        print_formatted_text(self._output, text, self._style, color_depth=self.app.color_depth)
        if ring:
            self._output.bell()
        if self.app.is_running and not self.app.is_done:
            self.app.invalidate()
        else:
            self._output.release()

    def refresh(self) -> None:
        """Draw anew what has changed around the line."""
        self.app.invalidate()

    def prompt(self, words: str = PROMPT) -> None:
        """Show other words in front of the line."""
        self._prompt = words
        self._folding.margin = len(words)
        self.app.invalidate()

    def ask(self, question: str, answered: Callable[[bool], None]) -> None:
        """Ask something in place of the line, which is kept."""
        self._question = question
        self._answered = answered
        self.app.layout.focus(self._asking)
        self.app.invalidate()

    def enter(self, text: str) -> None:
        """Take a text as if it had been typed in place of the line."""
        self._buffer.document = Document(text)
        self._enter()

    # What is typed

    def _enter(self) -> None:
        """Empty the line, whatever comes of it: what can't be done is mended with the key Up."""
        text = self._buffer.text
        if self._prompt == PROMPT and text.strip():
            self._buffer.append_to_history()
        self._buffer.reset()
        self._host.typed(text)

    def _paste(self, text: str) -> None:
        document = self._buffer.document
        whole = f"{document.text_before_cursor}{text}{document.text_after_cursor}"
        if not self._host.pasted(text, whole):
            self._buffer.insert_text(text)

    def _answer(self, yes: bool) -> None:
        answered, self._answered = self._answered, None
        self.app.layout.focus(self._typing)
        if answered is not None:
            answered(yes)


def _widths(row: Mapping[int, Char]) -> list[int]:
    """List how many columns each character of a row has, up to the last that was drawn."""
    drawn = [x for x, cell in row.items() if cell.char.strip() or cell.style]
    cells = (row.get(x) for x in range(max(drawn, default=-1) + 1))
    return [width for width in (1 if cell is None else cell.width for cell in cells) if width]


def _standard_output() -> Output:
    output = Output.from_pty(sys.stdout, term=os.environ.get("TERM"))
    assert isinstance(output, Output)
    return output
