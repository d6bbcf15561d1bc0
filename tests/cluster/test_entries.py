from __future__ import annotations

import json
import os
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.cluster.entries import (
    COMPRESSED_FROM,
    INDEX_BITS,
    BadEntry,
    Entry,
    decode,
    encode,
    event_id,
)
from chatservice.journal.events import Draft, Fact

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63), 2**63 - 1)
drafts = st.builds(Draft, words, words, words, words, numbers, numbers)
facts = st.builds(Fact, words, words, words)
entries = st.builds(
    Entry, words, st.integers(0, 2**40), st.lists(drafts, max_size=4), st.lists(facts, max_size=4)
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


class EntriesTests(TestCase):
    @given(entries, st.integers(0, 300))
    def test_an_entry_is_the_same_after_its_way(self, entry: Entry, times: int) -> None:
        entry = entry._replace(drafts=[d for d in entry.drafts for _ in range(times)])
        self.assertEqual(decode(encode(entry)), entry)

    def test_a_short_one_can_be_read_by_people(self) -> None:
        entry = Entry("b1", 7, [Draft("lobby", "said", "zoë", "hi", 5, -1)], [Fact("a", "b", "c")])
        self.assertEqual(
            encode(entry).decode(),
            '["b1",7,[["lobby","said","zoë","hi",5,-1]],[["a","b","c"]]]',
        )

    def test_a_long_one_is_compressed(self) -> None:
        entry = Entry("b1", 7, [Draft("lobby", "said", "ana", "hi", 5, -1)] * 1000, [])
        self.assertLess(len(encode(entry)), COMPRESSED_FROM)
        self.assertEqual(decode(encode(entry)), entry)

    def test_one_is_compressed_from_a_size_on(self) -> None:
        empty = len(encode(Entry("", 1, [], [])))
        for size, compressed in ((COMPRESSED_FROM - 1, False), (COMPRESSED_FROM, True)):
            data = encode(Entry("x" * (size - empty), 1, [], []))
            self.assertEqual(not data.startswith(b"["), compressed)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_an_entry_or_are_refused(self, data: bytes) -> None:
        for one in (data, b"[" + data, zlib.compress(data), zlib.compress(b"[" + data)):
            self.refused_or_read(one)

    @given(values)
    def test_so_is_any_json(self, value: object) -> None:
        data = json.dumps(value).encode()
        for one in (data, zlib.compress(data)):
            self.refused_or_read(one)

    def refused_or_read(self, data: bytes) -> None:
        try:
            entry = decode(data)
        except BadEntry:
            return
        self.assertEqual(decode(encode(entry)), entry)

    def test_what_is_none_is_refused(self) -> None:
        whole = encode(Entry("b1", 7, [Draft("lobby", "said", "ana", "hi", 5, -1)], []))
        compressed = zlib.compress(whole)
        for data in (
            b"",
            b"hello",
            os.urandom(2) + b"\0" * 20,
            whole[:-1],
            whole + b"]",
            compressed[:-1],
            b"[]",
            b'["b1",7,[]]',
            b'["b1",7,[],[],[]]',
            b'["b1",7,[["lobby"]],[]]',
            b'["b1",7,[],[["a","b"]]]',
            b'["b1",7,5,[]]',
            b'["b1",7,null,[]]',
            b'["\xff",7,[],[]]',
            b'["b1",7,[],[["a","b","\\ud800"]]]',
            b'["b1",7,[["lobby","said","ana","hi",5,9223372036854775808]],[]]',
            b'["b1",7,[["lobby","said","ana","hi",-9223372036854775809,1]],[]]',
            b"[1,7,[],[]]",
            b'["b1","7",[],[]]',
            b'["b1",NaN,[],[]]',
            b'["b1",7,{"abcdef":1},[]]',
            b'["b1",7,[["lobby","said","ana","hi","5",1]],[]]',
            b'["b1",7,[["lobby","said","ana",null,5,1]],[]]',
            b'["b1",7,[],[["topic","lobby",7]]]',
            b"[" * 100_000,
            zlib.compress(b"[" * 100_000),
            zlib.compress(b"{}"),
        ):
            with self.assertRaises(BadEntry, msg=data):
                decode(data)


class EventIdTests(TestCase):
    def test_ids_rise_with_the_position_and_with_the_place_in_the_entry(self) -> None:
        most = (1 << INDEX_BITS) - 1
        for base in (0, 12_345):
            ids = [event_id(base, at, index) for at in (1, 2, 3, 2**40) for index in (0, 1, most)]
            self.assertEqual(ids, sorted(set(ids)))
            self.assertGreater(ids[0], base)
            self.assertEqual(event_id(base, 2, 0), event_id(base, 1, most) + 1)
