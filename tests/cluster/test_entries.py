from __future__ import annotations

import json
import os
import random
import tracemalloc
import zlib
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.cluster import entries as entries_module
from chatservice.cluster.entries import (
    COMPRESSED_FROM,
    INDEX_BITS,
    PART,
    UNVERSIONED,
    VERSION,
    BadEntry,
    Entry,
    NewerEntry,
    Piece,
    Pieces,
    cut,
    decode,
    encode,
    event_id,
    mark_of,
)
from chatservice.journal.events import Draft, Fact

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63), 2**63 - 1)
drafts = st.builds(Draft, words, words, words, words, numbers, numbers)
facts = st.builds(Fact, words, words, words)
entries = st.builds(
    Entry,
    words,
    st.integers(0, 2**40),
    st.lists(drafts, max_size=4),
    st.lists(facts, max_size=4),
    words,
    st.integers(0, VERSION),
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

    def test_one_that_expands_takes_little_more_than_its_bytes(self) -> None:
        for head, refused in (
            (b"[", BadEntry),
            (b'[2,"","b",1,[', BadEntry),
            (b"[99,[", NewerEntry),
        ):
            opened = head.count(b"[")
            data = zlib.compress(head + b"[]," * 1_000_000 + b"0" + b"]" * opened)
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            self.assertRaises(refused, decode, data)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertLess(most, 16 << 20, head)

    def test_a_short_one_can_be_read_by_people(self) -> None:
        entry = Entry("b1", 7, [Draft("lobby", "said", "zoë", "hi", 5, -1)], [Fact("a", "b", "c")])
        self.assertEqual(
            encode(entry).decode(),
            f'[{VERSION},"","b1",7,[["lobby","said","zoë","hi",5,-1]],[["a","b","c"]]]',
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
        except (BadEntry, NewerEntry):
            return
        if isinstance(entry, Entry):
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


class VersionTests(TestCase):
    def test_one_that_tells_no_version_is_of_the_first(self) -> None:
        entry = decode(b'["b1",7,[["lobby","said","ana","hi",5,-1]],[["a","b","c"]]]')
        wanted = Entry("b1", 7, [Draft("lobby", "said", "ana", "hi", 5, -1)], [Fact("a", "b", "c")])
        self.assertEqual(entry, wanted._replace(version=UNVERSIONED))

    def test_whatever_is_of_a_newer_one_is_not_guessed_at(self) -> None:
        newer = VERSION + 1
        for line in (
            f'[{newer},"abc","b1",7,[],[]]',
            f'[{newer},"abc",{{"all":"new"}}]',
            f'[{newer},"abc"]',
        ):
            data = line.encode()
            for one in (data, zlib.compress(data), b"+" + data + b"\nxyz"):
                with self.assertRaises(NewerEntry, msg=one) as newer_one:
                    decode(one)
                self.assertEqual(newer_one.exception.version, newer)
                self.assertEqual(newer_one.exception.mark, "abc")
        for line in (f"[{newer}]", f"[{newer},5]"):
            with self.assertRaises(NewerEntry) as newer_one:
                decode(line.encode())
            self.assertEqual(newer_one.exception.mark, "")

    def test_a_log_is_told_from_others_by_its_identity_and_its_base(self) -> None:
        marks = {mark_of(name, base) for name in ("a", "b") for base in (0, 1)}
        self.assertEqual(len(marks), 4)
        self.assertEqual(mark_of("a", 1), mark_of("a", 1))


class CuttingTests(TestCase):
    def long(self, size: int) -> Entry:
        """An entry that has about so many bytes, and can't be compressed."""
        return Entry("b1", 7, [], [Fact("topic", "lobby", os.urandom(size // 2).hex())], "mark")

    def test_what_can_be_published_at_once_is(self) -> None:
        entry = self.long(300)
        data = encode(entry)
        self.assertEqual(cut(entry, len(data)), [data])
        self.assertGreater(len(cut(entry, len(data) - 1)), 1)

    @given(st.integers(60, 3000), st.integers(60, 1500))
    def test_no_piece_has_more_bytes_than_can_be_published(self, size: int, largest: int) -> None:
        entry = self.long(size)
        pieces = cut(entry, largest)
        self.assertLessEqual(max(map(len, pieces)), largest)
        if len(pieces) == 1:
            self.assertEqual(decode(pieces[0]), entry)
            return
        read = [piece for piece in map(decode, pieces) if isinstance(piece, Piece)]
        self.assertEqual(
            [(p.place, p.of) for p in read], list(enumerate([len(pieces)] * len(pieces)))
        )
        self.assertEqual(
            {(p.boot, p.number, p.mark, p.version) for p in read}, {("b1", 7, "mark", VERSION)}
        )
        self.assertEqual(b"".join(piece.data for piece in read), encode(entry))

    def test_it_is_cut_the_same_each_time(self) -> None:
        entry = self.long(5000)
        self.assertEqual(cut(entry, 400), cut(entry, 400))

    def test_where_not_even_a_piece_fits_it_is_refused(self) -> None:
        with self.assertRaises(BadEntry) as refusal:
            cut(self.long(300), 20)
        self.assertEqual(str(refusal.exception), "no piece of it fits into 20 bytes")

    def test_what_is_too_long_for_those_who_read_it_is_refused(self) -> None:
        self.patch(entries_module, "EXPANDED_MOST", 5000)
        cut(self.long(4000), 1000)
        with self.assertRaises(BadEntry) as refusal:
            cut(self.long(5000), 1 << 20)
        self.assertEqual(str(refusal.exception), "it has more than 5,000 bytes")

    def test_what_would_expand_to_more_than_any_entry_is_not_expanded(self) -> None:
        self.patch(entries_module, "EXPANDED_MOST", 5000)
        for size, refused in ((5000, False), (5001, True), (10_000_000, True)):
            data = b'["b1",7,[],[["a","b",""]]]'
            data = data.replace(b'""', b'"%s"' % (b"x" * (size - len(data))))
            if not refused:
                self.assertIsInstance(decode(zlib.compress(data)), Entry)
                continue
            with self.assertRaises(BadEntry):
                decode(zlib.compress(data))

    def test_what_is_no_piece_is_refused(self) -> None:
        for line in (
            b"+",
            b"+\n",
            b"+[]\nx",
            b'+[2,"","b1",7,0]\nx',
            b'+[2,"","b1",7,0,2]',
            b'+[2,"","b1",7,0,2]\n',
            b'+[2,"","b1",7,2,2]\nx',
            b'+[2,"","b1",7,-1,2]\nx',
            b'+[2,"","b1",0,0,2]\nx',
            b'+[2,"","b1",7,0,"2"]\nx',
            b'+[2,5,"b1",7,0,2]\nx',
        ):
            with self.assertRaises(BadEntry, msg=line):
                decode(line)


class PiecesTests(TestCase):
    @given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6), st.randoms())
    def test_in_whatever_order_and_with_whatever_restarts_all_are_one(
        self, parts: list[bytes], chance: random.Random
    ) -> None:
        order = list(range(len(parts)))
        chance.shuffle(order)
        held, stored = Pieces(), {}
        for index, place in enumerate(order):
            if chance.random() < 0.5:
                held = Pieces()
                for name, value in stored.items():
                    held.load(Fact(PART, name, value))
            facts, whole = held.add(Piece("b 1", 7, place, len(parts), parts[place]))
            stored.update({fact.name: fact.value for fact in facts})
            stored = {name: value for name, value in stored.items() if value}
            self.assertEqual(bool(whole), index == len(order) - 1)
        self.assertEqual((whole, stored), (b"".join(parts), {}))

    def test_too_much_is_refused_before_anything_changes(self) -> None:
        self.patch(entries_module, "EXPANDED_MOST", 10)
        held = Pieces()
        held.add(Piece("b1", 7, 0, 3, b"x" * 6))
        before = deepcopy(held._held)
        self.assertRaises(BadEntry, held.check, Piece("b1", 7, 1, 3, b"x" * 5))
        held.check(Piece("b1", 7, 0, 3, b"x" * 10))
        held.check(Piece("b1", 8, 0, 3, b"x" * 10))
        self.assertEqual(held._held, before)

    def test_what_is_dropped_is_forgotten(self) -> None:
        held = Pieces()
        held.add(Piece("b1", 7, 0, 3, b"x"))
        self.assertEqual(held.drop("b1"), [Fact(PART, "b1 0", "")])
        self.assertEqual(held.drop("b1"), [])
