"""A server that is hostile, or broken: whatever it tells in whatever order, nothing fails."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields
from twisted.trial.unittest import TestCase

from chatservice.messages.replies import REPLIES
from tests.client.screen.desk import Desk
from tests.profiles import examples

TEXTS = st.sampled_from(
    ("", "ana", "bob", "lobby", "x" * 300, "\x1b[2J", "\ud800", "🏳️‍🌈", "אבי", "ana\nbob", "/quit")
)
TIMES = st.sampled_from(
    ("9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.0Z", "2026-03-03T14:02:00.000Z", "", "x")
)
NUMBERS = st.sampled_from((0, 1, 100, 101, 7, 2**53 - 1))
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(("said", "joined", "x")), "id": NUMBERS, "at": TIMES},
    optional={"author": TEXTS, "text": TEXTS, "names": st.lists(TEXTS, max_size=3)},
)
ROOMS = st.fixed_dictionaries({"room": TEXTS, "people": NUMBERS}, optional={"topic": TEXTS})
VALUES = {
    "id": NUMBERS,
    "at": TIMES,
    "since": st.one_of(NUMBERS, TIMES),
    "names": st.lists(TEXTS, max_size=3),
    "events": st.lists(EVENTS, max_size=3),
    "people": st.one_of(
        NUMBERS, st.lists(st.fixed_dictionaries({"name": TEXTS}, optional={"away": TEXTS}))
    ),
    "rooms": st.one_of(st.lists(ROOMS, max_size=3), st.lists(TEXTS, max_size=3)),
    "ref": st.one_of(st.integers(0, 9), st.sampled_from(("ping 1", "x"))),
}
OTHERS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
CODES = st.sampled_from(("unknown_token", "muted", "seq_unknown", "not_in_room", "crowded", "x"))


@st.composite
def messages(draw: Any) -> bytes:
    kind = draw(st.sampled_from(sorted(REPLIES)))
    message: dict[str, Any] = {"type": kind}
    hints = get_type_hints(REPLIES[kind])
    for field in fields(REPLIES[kind]):
        name, hint = field.name, hints[field.name]
        if name == "type" or (field.default is None and draw(st.booleans())):
            continue
        by_type = {
            int: NUMBERS,
            str: TEXTS,
            bool: st.booleans(),
            bool | None: st.booleans(),
            int | None: NUMBERS,
            str | None: TEXTS,
        }
        values = CODES if name == "code" else VALUES.get(name, by_type.get(hint, OTHERS))
        message[name] = draw(values)
    return json.dumps(message).encode() + b"\r\n"


class HostileTests(TestCase):
    @settings(max_examples=examples(40), suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(messages(), max_size=30), st.booleans())
    def test_nothing_that_a_server_tells_fails(self, told: list[bytes], comes_in: bool) -> None:
        case = TestCase("run")
        try:
            desk = Desk(case)
            if comes_in:
                desk.come_in("bob")
                desk.type("/who\r/whois bob\r/history\r/rooms\r/uptime\rhi\r")
            else:
                desk.connect()
            for line in told:
                desk.do(lambda line=line: desk.link.says(line))  # type: ignore[misc]
            desk.wait(1)
        finally:
            case.doCleanups()
        self.assertEqual(self.flushLoggedErrors(), [])
