from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, get_type_hints

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import asdict, fields
from twisted.trial import unittest

from chatservice import messages
from chatservice.messages import BadMessage, Code
from chatservice.messages.fields import REF_LONGEST
from chatservice.messages.replies import REPLIES

MOST = messages.SEQ_MOST

# Whatever a Python string can be: also halves of surrogate pairs, which no UTF-8 can.
texts = st.text(alphabet=st.characters(exclude_categories=()), max_size=20)
numbers = st.integers(0, MOST)
persons = st.builds(messages.Person, name=texts, away=st.none() | texts)
rooms = st.builds(
    messages.RoomSeen, room=texts, people=numbers, topic=texts, locked=st.none() | st.booleans()
)
events = st.builds(
    messages.Event,
    type=st.sampled_from(messages.EVENTS),
    id=numbers,
    at=texts,
    room=st.none() | texts,
    author=st.none() | texts,
    text=st.none() | texts,
    names=st.none() | st.lists(texts, max_size=3),
    count=st.none() | numbers,
    name=st.none() | texts,
)

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: numbers,
    bool: st.booleans(),
    list[str]: st.lists(texts, max_size=3),
    list[messages.Person]: st.lists(persons, max_size=3),
    list[messages.RoomSeen]: st.lists(rooms, max_size=3),
    list[messages.Event]: st.lists(events, max_size=3),
    str | None: st.none() | texts,
    int | None: st.none() | numbers,
    bool | None: st.none() | st.booleans(),
    list[str] | None: st.none() | st.lists(texts, max_size=3),
    str | int | None: st.none() | texts | numbers,
}


def messages_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """All that a message of a kind can be."""
    hints = get_type_hints(kind)
    return st.fixed_dictionaries(
        {f.name: VALUES[hints[f.name]] for f in fields(kind) if f.required},
        optional={f.name: VALUES[hints[f.name]] for f in fields(kind) if not f.required},
    ).map(lambda values: kind(**values))


requests = st.one_of(*map(messages_of, messages.REQUESTS.values()))
replies = st.one_of(
    events, *(messages_of(kind) for kind in set(REPLIES.values()) if kind is not messages.Event)
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
known = st.sampled_from(
    sorted(
        {f.name for kind in (*messages.REQUESTS.values(), *REPLIES.values()) for f in fields(kind)}
    )
)
objects = st.builds(
    lambda type, rest: {"type": type, **rest},
    st.sampled_from([*messages.REQUESTS, *REPLIES]) | json_values,
    st.dictionaries(known | texts, json_values, max_size=6),
)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


class RoundTripTests(unittest.TestCase):
    @given(requests)
    @example(messages.Ping(ref="\ud800"))
    @example(messages.Ping(ref="\udfff\ud800😀"))
    def test_the_server_reads_what_a_client_writes(self, request: messages.Request) -> None:
        encoded = messages.encode(request)
        self.assertTrue(encoded.startswith(messages.OPENING) and encoded.endswith(b"}\r\n"))
        self.assertNotIn(b"\n", encoded[:-2])
        self.assertEqual(messages.request(encoded), _whole(request))

    @given(requests)
    def test_a_line_that_has_to_be_read_again_is_the_same_request(
        self, request: messages.Request
    ) -> None:
        again = messages.encode(request).replace(b"{", b'{"type":"","type":[],', 1)
        self.assertEqual(messages.request(again), _whole(request))

    @given(replies)
    @example(messages.Pong(ref="\ud800"))
    def test_a_client_reads_what_the_server_writes(self, reply: messages.Reply) -> None:
        encoded = messages.encode(reply)
        self.assertTrue(encoded.startswith(messages.OPENING) and encoded.endswith(b"}\r\n"))
        self.assertNotIn(b"\n", encoded[:-2])
        self.assertEqual(messages.reply(encoded), _whole(reply))

    def test_text_goes_as_it_is_and_what_is_none_not_at_all(self) -> None:
        said = messages.Say(room="lobby", text="naïve 😀\n", seq=1)
        self.assertEqual(
            messages.encode(said).decode(),
            '{"type":"say","text":"naïve 😀\\n","seq":1,"room":"lobby"}\r\n',
        )

    def test_a_time_is_written_in_utc_to_the_millisecond(self) -> None:
        at = messages.moment(1_700_000_000_007)
        self.assertEqual(at, "2023-11-14T22:13:20.007Z")
        event = messages.Event(type="said", id=1, at=at)
        self.assertEqual(event.time, datetime(2023, 11, 14, 22, 13, 20, 7000, tzinfo=timezone.utc))

    def test_the_longest_text_in_the_longest_way_fits_into_a_line(self) -> None:
        text = "😀" * 2000
        escaped = json.dumps({"type": "say", "room": "😀" * 24, "text": text, "ref": "😀" * 64})
        self.assertLess(len(escaped), 2000 * messages.BYTES_A_CHARACTER + messages.LINE_OVERHEAD)


def _whole(value: Any) -> Any:
    """Two halves of a surrogate pair side by side are one character; one alone is U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _whole(one) for name, one in asdict(value).items()})
    return value


class AnyLineTests(unittest.TestCase):
    def answer(self, line: bytes) -> None:
        """A line is a message, or can be complained of; it is nothing else."""
        for read in (messages.request, messages.reply):
            try:
                read(line)
            except BadMessage as bad:
                told = messages.reply(messages.encode(bad.error))
                self.assertEqual(told, bad.error)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_a_message_or_are_complained_of(self, data: bytes) -> None:
        self.answer(data)

    @given(objects)
    def test_any_object_is_a_message_or_is_complained_of(self, value: Any) -> None:
        self.answer(json.dumps(value).encode())
        self.answer(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    @given(texts)
    def test_any_text_is_a_message_or_is_complained_of(self, text: str) -> None:
        self.answer(text.encode("utf-8", "surrogatepass"))
        self.answer(b"{" + text.encode("utf-8", "surrogatepass"))

    def test_what_takes_a_reader_to_its_end_is_complained_of(self) -> None:
        for text in (
            '{"a":' * 100_000,
            '{"a":' * 100_000 + "1" + "}" * 100_000,
            "[" * 100_000,
            "[" * 100_000 + "]" * 100_000,
            '{"type":' + "[" * 900 + "]" * 900 + "}",
            '{"type":"ping","ref":' + "9" * 1_000_000 + "}",
            '{"type":"say","room":"a","text":"b","seq":' + "9" * 1_000_000 + "}",
            '{"type":"say","room":"a","text":"b","seq":-' + "9" * 1_000_000 + "}",
            '{"type":"ping","ref":1e999999999}',
            '{"type":"ping","ref":NaN}',
            '{"type":"ping","ref":-Infinity}',
            '{"type":NaN}',
            '{"type":["ping"]}',
            '{"type":{"type":"ping"}}',
            "NaN",
            "",
            '"\\ud800"',
            "\ufeff{}",
        ):
            with self.assertRaises(BadMessage, msg=text[:40]):
                messages.request(text.encode())
            self.answer(text.encode())


class RequestTests(unittest.TestCase):
    def refused(self, text: bytes) -> messages.Error:
        with self.assertRaises(BadMessage, msg=text) as refusal:
            messages.request(text)
        self.assertEqual(str(refusal.exception), refusal.exception.error.text)
        return refusal.exception.error

    def test_what_is_no_json_object_is_told_so(self) -> None:
        for text in (b"hello", b"{", b'{"type":"ping"} x', b"[]", b'"ping"', b"1", b"null"):
            self.assertEqual(self.refused(text).code, Code.NOT_JSON)

    def test_an_unknown_type_is_told_so_with_the_ref(self) -> None:
        for kind in ("dance", "", "x" * 1000, "\ud800", None, 1, ["say"]):
            error = self.refused(line(type=kind, ref="r"))
            self.assertEqual((error.code, error.to, error.ref), (Code.UNKNOWN_TYPE, None, "r"))
            self.assertLess(len(error.text), 60)
            error.text.encode()
        self.assertEqual(self.refused(b"{}").code, Code.UNKNOWN_TYPE)

    def test_a_field_that_does_not_fit_is_told_so(self) -> None:
        for bad in (
            {"type": "say", "room": "lobby"},
            {"type": "say", "text": "hi"},
            {"type": "say", "room": "lobby", "text": None},
            {"type": "say", "room": "lobby", "text": 1},
            {"type": "say", "room": ["lobby"], "text": "hi"},
            {"type": "say", "room": "lobby", "text": "hi", "seq": "1"},
            {"type": "say", "room": "lobby", "text": "hi", "seq": True},
            {"type": "say", "room": "lobby", "text": "hi", "seq": -1},
            {"type": "say", "room": "lobby", "text": "hi", "seq": 1.0},
            {"type": "say", "room": "lobby", "text": "hi", "seq": MOST + 1},
            {"type": "hello", "name": {}},
            {"type": "hello", "rooms": "lobby"},
            {"type": "hello", "rooms": ["lobby", 1]},
            {"type": "hello", "since": -1},
            {"type": "ping", "ref": 1.5},
            {"type": "ping", "ref": "x" * 65},
            {"type": "ping", "ref": []},
            {"type": "private", "text": "hi", "to": "x" * 1025},
            {"type": "private", "text": "hi", "session": "x" * 1025},
            {"type": "say", "room": "x" * 1025, "text": "hi"},
            {"type": "hello", "token": "x" * 1025},
            {"type": "hello", "journal": "x" * 1025},
            {"type": "hello", "rooms": ["x"] * 257},
        ):
            error = self.refused(line(**bad))
            self.assertEqual((error.code, error.to), (Code.BAD_FIELD, bad["type"]), bad)

    def test_only_a_text_is_long(self) -> None:
        long = "x" * 28_000
        self.assertEqual(messages.request(line(type="away", text=long)), messages.Away(text=long))
        self.assertEqual(
            messages.request(line(type="nick", name="x" * 1024)), messages.Nick(name="x" * 1024)
        )
        told = messages.Person(name=long)
        reply = messages.reply(line(type="who", room=long, people=[{"name": long}], count=1))
        self.assertEqual(reply, messages.WhoIs(room=long, people=[told], count=1))

    def test_what_is_wrong_is_told_with_ref_and_seq_if_these_are_known(self) -> None:
        error = self.refused(line(type="say", ref="r", seq=7))
        self.assertEqual((error.to, error.ref, error.seq), ("say", "r", 7))
        error = self.refused(line(type="say", ref=[1], seq="7"))
        self.assertEqual((error.to, error.ref, error.seq), ("say", None, None))

    def test_what_a_complaint_tells_can_be_read_by_a_client(self) -> None:
        for ref in (True, -1, MOST + 1, 10**19, "x" * 65, 1.5):
            self.assertIsNone(self.refused(line(type="dance", ref=ref)).ref, ref)
        for seq in (True, -1, MOST + 1, 10**19, 1.5):
            self.assertIsNone(self.refused(line(type="say", seq=seq)).seq, seq)

    def test_unknown_fields_are_ignored_and_null_is_as_good_as_nothing(self) -> None:
        self.assertEqual(
            messages.request(line(type="ping", colour={"red": [1]}, ref=None)), messages.Ping()
        )
        self.assertEqual(messages.request(line(type="away", text=None)), messages.Away())

    def test_of_a_key_that_comes_twice_the_last_counts(self) -> None:
        self.assertEqual(messages.request(b'{"type":"say","type":"ping"}'), messages.Ping())
        twice = b'{"type":"ping","ref":[],"ref":1,"ref":2}'
        self.assertEqual(messages.request(twice), messages.Ping(ref=2))

    def test_each_is_told_in_one_sentence_what_is_wrong(self) -> None:
        number = "is a number from 0 to 2^53 - 1"
        for bad, sentence in (
            ({"type": "say", "text": "hi"}, "room is missing"),
            ({"type": "say", "room": "lobby", "text": None}, "text is missing"),
            ({"type": "say", "room": "lobby", "text": 1}, "text is not of the right type"),
            ({"type": "hello", "rooms": ["lobby", 1]}, "rooms is not of the right type"),
            ({"type": "hello", "since": 1.0}, "since is not of the right type"),
            ({"type": "hello", "since": -1}, f"since {number}"),
            ({"type": "ping", "ref": MOST + 1}, f"ref {number}"),
            ({"type": "names", "page": 10**30}, f"page {number}"),
            ({"type": "ping", "ref": "x" * 65}, "ref has at most 64 characters"),
            ({"type": "nick", "name": "x" * 1025}, "name has at most 1,024 characters"),
            ({"type": "hello", "rooms": ["x"] * 257}, "rooms has at most 256 items"),
        ):
            self.assertEqual(self.refused(line(**bad)).text, sentence)

    def test_what_is_no_character_is_the_one_that_stands_for_it(self) -> None:
        for written, read in (
            (rb"\ud800", "\ufffd"),
            (rb"a\uDFFFb", "a\ufffdb"),
            (rb"\ud83d\ude00", "\U0001f600"),
            (rb"\ude00\ud83d", "\ufffd\ufffd"),
            (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
            (rb"\\ud800 \ud800", "\\ud800 \ufffd"),
            (b"\xff", "\ufffd"),
        ):
            said = messages.request(b'{"type":"away","text":"%s"}' % written)
            self.assertEqual(said, messages.Away(text=read), written)

    def test_the_largest_numbers_are_kept_whole(self) -> None:
        self.assertEqual(messages.request(line(type="ping", ref=MOST)), messages.Ping(ref=MOST))
        self.assertEqual(
            messages.request(line(type="ping", ref="x" * 64)), messages.Ping(ref="x" * 64)
        )


class ReplyTests(unittest.TestCase):
    def test_a_type_that_is_not_known_is_ignored(self) -> None:
        for kind in ("dance", "", None, 1, [], {}, ["said"]):
            self.assertIsNone(messages.reply(line(type=kind)))
        self.assertIsNone(messages.reply(b"{}"))

    def test_what_is_no_message_is_told(self) -> None:
        for text in (b"hello", b"[]", line(type="said"), line(type="ok", to=1)):
            with self.assertRaises(BadMessage):
                messages.reply(text)

    def test_a_code_that_is_newer_than_the_client_is_one_too(self) -> None:
        error = messages.reply(line(type="error", code="brand_new", text="so it is", more=1))
        self.assertEqual(error, messages.Error(code="brand_new", text="so it is"))

    def test_each_type_has_its_name_in_one_place(self) -> None:
        for table in (messages.REQUESTS, REPLIES):
            for name, kind in table.items():
                self.assertTrue(kind is messages.Event or kind.type == name)
        self.assertEqual(REF_LONGEST, 64)
