"""A connection is cut anywhere, and nothing is missed, nothing doubled, and nobody notices.

One talk is recorded, and then repeated with the connection of one of those who talk cut at a byte,
to the server or from it, each time at another one. Each time has names and rooms of its own, so
many take place at once, at one server. The bytes are picked at random; at night every one
has its turn. A run that failed is repeated with ``CHAT_SEED`` set to the number that it printed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.journal.events import JOINED, LEFT
from tests.integration.proxy import How, Proxy, Way
from tests.integration.support import UNHURRIED, Server
from tests.integration.witness import (
    Direct,
    Journal,
    Reader,
    Sitter,
    as_person,
    as_program,
    difference,
)
from tests.profiles import seed_of_run, size

CUTS = size(120, None)
"""At how many bytes, picked at random, a connection is cut; None: at every one."""
AT_ONCE = 64
MARGIN = 48
"""Bytes behind those of the record: ids that have more digits make a talk longer."""


UNCROWDED = ("--max-connections", "0", "--max-rooms", "0")
"""Who is away counts, and so do the rooms that they are in."""


class Cut(NamedTuple):
    """Where a connection is cut, and how."""

    way: Way
    offset: int
    how: How

    def __str__(self) -> str:
        return f"{self.way.value} {self.offset} {self.how.value}"


class Talk:
    """One talk: of ``a``, whose connection may be cut, with the program ``b`` and the person ``c``.

    :param number: no other talk at this server has it.
    :ivar wrong: what was wrong.
    :ivar passed: bytes of the connection of ``a``, either way.
    :ivar cuts: whether it was cut: once or not at all.
    """

    proxy: Proxy
    a: Sitter

    def __init__(self, case: TestCase, server: Server, number: int, cut: Cut | None = None) -> None:
        self._case = case
        self._server = server
        self.cut = cut
        self.tag = tag = f"x{number:06}"
        self.rooms = [f"{room}{tag}" for room in "rstu"]
        self.wrong: list[str] = []
        self.passed: dict[Way, int] = {}
        self.cuts = 0

    def text(self, words: str) -> str:
        """Make words unlike those of any other talk."""
        return f"{self.tag} {words}"

    async def take_place(self) -> None:
        """Talk from the beginning to the end, then look whether all was right."""
        proxy = self.proxy = Proxy(self._case, self._server.port)
        if self.cut is not None:
            proxy.cut_after(*self.cut)
        a = self.a = Sitter(proxy.endpoint, f"a{self.tag}", self.rooms[:2])
        closing: list[Callable[[], Deferred[None]]] = [proxy.stop]
        try:
            b = await Direct.come(self._server.port, f"b{self.tag}", self.rooms)
            closing.append(b.quit)
            c = await Reader.come(self._server.port, f"c{self.tag}", [*reversed(self.rooms)])
            closing.append(c.hang_up)
            began = b.welcome.since if b.welcome is not None else 0
            await self._talk(a, b, c)
            last = b.seen[-1].id
            await self._part(a)
            self._compare(Journal(self._server.history, began, last, self.tag), b, c)
        except Exception as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            self.passed, self.cuts = proxy.passed, proxy.cuts
            a.seat.stop()
            await gatherResults([close() for close in closing])

    async def _talk(self, a: Sitter, b: Direct, c: Reader) -> None:
        text, (r, s, t, u), seat = self.text, self.rooms, a.seat
        new_name = f"z{self.tag}"

        a.say(r, text("a1, before there is a connection"))
        seat.start()
        await self._named(a)
        a.say(s, text("a2"))
        a.talk(messages.Private(to=b.name, text=text("a3, privately")))
        a.talk(messages.Do(room=r, text=text("a4 is done")))
        b.say(r, text("b1"))
        b.private(a.name, text("b2, privately"))
        c.say(text("c1"))
        await a.until(lambda: a.saw(text("b2, privately")) and not seat.unstored, "b2")

        renaming = seat.ask(messages.Nick(name=new_name))
        a.talk(messages.Topic(room=r, text=text("a5, a topic")))
        a.say(s, text("a6"))
        b.say(s, text("b3"))
        await renaming
        await a.until(lambda: not seat.unstored, "a6")

        joining = seat.ask(messages.Join(room=t))
        a.say(t, text("a7, in a room just joined"))
        await joining
        b.say(t, text("b4"))
        c.say(text("c2"))
        a.say(t, text("a8, in a room about to be left"))
        await seat.ask(messages.Leave(room=t))
        b.say(t, text("b5, not for a"))
        in_and_out = [seat.ask(messages.Join(room=u)), seat.ask(messages.Leave(room=u))]

        a.talk(messages.Do(room=r, text=text("a9 is done")))
        a.talk(messages.Private(to=b.name, text=text("a10, privately")))
        b.private(new_name, text("b6, privately"))
        c.say(f"/msg {new_name} {text('c3, privately')}", f"/me {text('c4 is done')}")
        a.say(s, text("a11"))
        await gatherResults([*in_and_out, seat.ask(messages.Who(room=r))])
        await a.until(lambda: not seat.unstored, "a11")
        await a.until(lambda: a.saw(text("c4 is done")), "c4")

        b.say(r, text("the end"))
        for one in (a, b):
            await one.until(lambda one=one: one.saw(text("the end")), "the end")
        await c.until(lambda: f"<{b.name}> {text('the end')}" in c.lines, "the end")

    async def _named(self, a: Sitter) -> None:
        """Wait until a is in: maybe its own ghost, which never learned its token, has its name."""
        await a.until(lambda: a.welcomes or a.refused_names, "a welcome")
        if not a.welcomes:
            self.proxy.bury()
            while not a.welcomes:
                count = a.refused_names
                a.seat.introduce(a.name)
                await a.until(lambda count=count: a.welcomes or a.refused_names > count, "its name")

    async def _part(self, a: Sitter) -> None:
        a.seat.quit(self.text("bye"))
        await a.until(lambda: a.ends, "its end")

    def _compare(self, journal: Journal, b: Direct, c: Reader) -> None:
        a, text, wrong = self.a, self.text, self.wrong
        (r, s, t, u), new_name = self.rooms, f"z{self.tag}"
        wrong += [f"{one.name}: {words}" for one in (a, b, c) for words in one.wrong]
        if a.ends != [None]:
            wrong.append(f"a ended {a.ends}")

        said = [sent.request.text for sent in a.said]
        # In one commit, what is of one room stands together.
        wanted = sorted((sent.id or 0, sent.request.text) for sent in a.said)
        self._same("stored of a", journal.said(said), wanted)
        for room in self.rooms:
            numbers = [sent.id for sent in a.said if getattr(sent.request, "room", "") == room]
            self._same(f"said of a in {room}", numbers, sorted(numbers, key=lambda id: id or 0))

        origin = journal.origin_of(said[0])
        told = as_program(journal.seen_by(a.name, origin), origin)
        self._same("told to a", a.seen, told)
        ids = [one.id for one in a.seen]
        if ids != sorted(set(ids)):
            wrong.append(f"told to a out of order: {ids}")

        origin = journal.origin_of(text("b1"))
        seen = journal.seen_by(b.name, origin)
        told = [one for one in b.seen if one.id <= journal.upto]
        self._same("told to b", told, as_program(seen, origin))
        origin = journal.origin_of(text("c1"))
        shown = as_person(journal.seen_by(c.name, origin), origin, self.rooms[0])
        lines = [line for line in c.shown if self.tag in line and not line.startswith("[you")]
        del lines[lines.index(shown[-1]) + 1 :]
        self._same("shown to c", lines, shown)

        self._same("z came", _rooms(journal, JOINED, new_name), [t, u])
        self._same("z left", _rooms(journal, LEFT, new_name), [t, u])
        came, left = _rooms(journal, JOINED, a.name), _rooms(journal, LEFT, a.name)
        if a.lost_nameless and left:
            # It was in before it learned its token: that place it had to give up.
            self._same("a, who was never told so, left", left, [r, s])
            self._same("a came twice", came, [r, r, s, s])
        else:
            self._same("a left", left, [])
            self._same("a came", came, [r, s])

    def _same(self, what: str, got: list, wanted: list) -> None:
        if found := difference(got, wanted):
            self.wrong.append(f"{what}: {found}")


def _rooms(journal: Journal, kind: str, name: str) -> list[str]:
    return sorted(event.room for event in journal.moves(kind, name))


class ResumeTests(TestCase):
    """One who loses the connection is not noticed, and notices little."""

    timeout = size(300, 3600)

    async def test_a_connection_is_cut_at_any_byte(self):
        seed = seed_of_run()
        choice = random.Random(seed)
        server = Server(self, *UNHURRIED, *UNCROWDED)

        record = Talk(self, server, 0)
        await record.take_place()
        self.assertEqual(record.wrong, [])
        cuts = [
            Cut(way, offset, how)
            for way, length in record.passed.items()
            for offset in range(length + MARGIN)
            for how in How
        ]
        choice.shuffle(cuts)
        if CUTS is not None:
            cuts = cuts[:CUTS]
            print(", ".join(map(str, cuts)))
        print(f"{len(cuts)} cuts")

        began = time.monotonic()
        talks = [Talk(self, server, number, cut) for number, cut in enumerate(cuts, 1)]
        few = DeferredSemaphore(AT_ONCE)
        await gatherResults(
            few.run(lambda talk=talk: Deferred.fromCoroutine(talk.take_place())) for talk in talks
        )
        reached = sum(talk.cuts for talk in talks)
        print(
            f"{reached} of {len(talks)} connections were cut, in {time.monotonic() - began:.1f} s;"
            f" bytes of the record: {record.passed[Way.UP]} up,"
            f" {record.passed[Way.DOWN]} down"
        )
        wrong = [f"{talk.cut}: {words}" for talk in talks for words in talk.wrong]
        if wrong:
            listed = "\n".join(wrong[:10])
            self.fail(f"{len(wrong)} are wrong; CHAT_SEED={seed}:\n{listed}")
        self.assertGreater(reached, 0.9 * len(talks) - 2 * MARGIN)
