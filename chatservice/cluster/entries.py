"""Encodes and decodes the entries of the log, and the pieces of long entries.

An entry is a JSON array: its version of the log, the mark of the log that it is for, the *boot*
that publishes it (a node, from a start or a lost lease to the next one), its number among the
entries of the boot, drafts, and facts. A long entry is compressed (zlib). A beat, which shows that
a node is alive, is an entry with the number 0. Entries of version 1 begin with the boot.

An entry that is longer than the brokers take at once is published in *pieces*. A piece is a line
with a JSON array, and then bytes of the entry. The array begins as an entry does, and ends with the
place of the piece and the number of pieces. The entry takes effect at the position of the piece
that comes last.

In every later version, an entry and the line of a piece is an array that begins with the version.
So a node recognises an entry that it does not understand.

The ids of an entry's events are known when the entry is back from the log. Until then a fact refers
to the first event of its entry as ``-1``, and to the second as ``-2``.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple, TypeVar

import msgspec
from msgspec.json import Decoder

from chatservice.journal.events import Draft, Fact, Natural
from chatservice.text.names import RULES

VERSION: Final = 0 + RULES
"""The version of the log that this node writes. It rises with each change to the form or the effect
of entries. ``RULES`` counts changes to the rules of names; for any other, raise the 0 before it."""

UNVERSIONED: Final = 1
"""The version of entries that do not contain their version."""

VERSIONED: Final = "version"
"""The kind of the fact that stores the version of the log."""

PART: Final = "part"
"""The kind of the facts that store the pieces of incomplete entries. They are never published."""

TOLD: Final = "told"
"""The kind of the facts that store the events which an entry causes beside its own: new names of
people and rooms. The name of the fact is the position of the entry. The events depend on the facts
that held there, so a node that begins with later facts could not derive them."""

NAME: Final = "name"
"""The kind of the claim of a name, which takes effect only if nobody else holds the name."""

PERSON: Final = "person"
"""The kind of the record of a person at a plain socket."""

LEASE: Final = "lease"
"""The kind of the record of a boot, which may have ended."""

TAKE: Final = "take"
"""The kind of the fact that moves a person or session to the boot that publishes it, if they are
still with the boot that is its value."""

ADOPT: Final = "adopt"
"""The kind of the fact by which a boot adopts the members of another boot, if nothing was heard of
that boot since."""

BYE: Final = "bye"
"""The kind of the fact that ends the boot that publishes it."""

SEND_AWAY: Final = "send-away"
"""The kind of the request to a member's node to remove the member from the chat."""

INDEX_BITS: Final = 15
"""An entry has fewer events than 2 to the power of this number."""

COMPRESSED_FROM: Final = 4096

EXPANDED_MOST: Final = 16 << 20
"""The most bytes of an entry before its compression. The records of a thousand programs that have
left as many rooms as a session remembers need less."""


class BadEntry(ValueError):
    """Raised for an entry that can't be used, or can't be encoded; ``str()`` gives the reason."""


class NewerEntry(Exception):
    """Raised for an entry of a newer version, which this node can't read.

    :ivar version: the version of the entry.
    :ivar mark: the mark of the log that the entry is for; ``""`` if the mark can't be read.
    """

    def __init__(self, version: int, mark: str) -> None:
        super().__init__(version)
        self.version = version
        self.mark = mark


class Entry(NamedTuple):
    """The drafts and facts that one boot publishes at once.

    :ivar number: the number of the entry among those of the boot; 0 for a beat.
    :ivar mark: the mark of the log that the entry is for (:func:`mark_of`); ``""`` if it has none.
    :ivar version: the version of the log that the entry was written for.
    """

    boot: str
    number: int
    drafts: Sequence[Draft]
    facts: Sequence[Fact]
    mark: str = ""
    version: int = VERSION


class Piece(NamedTuple):
    """Some bytes of an entry that is too long to be published at once.

    :ivar boot: the boot of the entry; ``number``, ``mark`` and ``version`` are the entry's too.
    :ivar place: the place of the piece among the pieces, from 0.
    :ivar of: the number of pieces.
    """

    boot: str
    number: int
    place: int
    of: int
    data: bytes
    mark: str = ""
    version: int = VERSION


_encode: Final = msgspec.json.Encoder().encode

_A = TypeVar("_A")
_B = TypeVar("_B")
_Forms = tuple[Decoder[tuple[int, str, str, int, _A, _B]], Decoder[tuple[str, int, _A, _B]]]
"""The decoders of an array with a version, and of an array without one."""

_Drafts = Annotated[list[Draft], msgspec.Meta(max_length=(1 << INDEX_BITS) - 1)]
_ENTRIES: Final = (
    Decoder(tuple[int, str, str, Natural, _Drafts, list[Fact]]),
    Decoder(tuple[str, Natural, _Drafts, list[Fact]]),
)
_PIECES: Final = (
    Decoder(tuple[int, str, str, Natural, Natural, Natural]),
    Decoder(tuple[str, Natural, Natural, Natural]),
)


class _Head(msgspec.Struct, array_like=True):
    """The beginning of an entry of any version; the rest is not decoded."""

    version: int
    mark: msgspec.Raw = msgspec.Raw(b'""')


_HEADS: Final = Decoder(_Head)


def mark_of(identity: str, base: int) -> str:
    """Return the mark of a log. An entry with the mark of another log is skipped.

    :param identity: the identity of the journal that the log holds.
    :param base: the last id before the log began.
    """
    return hashlib.sha256(f"{identity} {base}".encode()).hexdigest()[:8]


def encode(entry: Entry) -> bytes:
    """Return the bytes of an entry.

    :raises BadEntry: if the entry is too long for its readers.
    """
    boot, number, drafts, facts, mark, version = entry
    data = _encode((version, mark, boot, number, drafts, facts))
    if len(data) > EXPANDED_MOST:
        raise BadEntry(f"it has more than {EXPANDED_MOST:,} bytes")
    return zlib.compress(data, 1) if len(data) >= COMPRESSED_FROM else data


def cut(entry: Entry, largest: int) -> list[bytes]:
    """Return the bytes to publish for an entry: the whole entry, or its pieces.

    :param largest: the most bytes that can be published at once.
    :raises BadEntry: if the entry is too long for its readers.
    """
    data = encode(entry)
    if len(data) <= largest:
        return [data]
    boot, number, *_, mark, version = entry

    def head(index: int, count: int) -> bytes:
        return b"+" + _encode((version, mark, boot, number, index, count)) + b"\n"

    # No place has more digits than the number of bytes.
    room = largest - len(head(len(data), len(data)))
    if room <= 0:
        raise BadEntry(f"no piece of it fits into {largest:,} bytes")
    count = -(-len(data) // room)
    size = -(-len(data) // count)
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    return [head(index, len(pieces)) + piece for index, piece in enumerate(pieces)]


def decode(data: bytes) -> Entry | Piece:
    """Return the entry, or the piece of an entry, in some bytes.

    :raises BadEntry: if the bytes are neither.
    :raises NewerEntry: if a newer version wrote them.
    """
    if data[:1] == b"+":
        line, _, piece = data[1:].partition(b"\n")
        version, mark, boot, number, place, of = _read(line, _PIECES)
        if not (piece and number and place < of):
            raise BadEntry("the place of a piece is impossible")
        return Piece(boot, number, place, of, piece, mark, version)
    line = data if data[:1] == b"[" else expanded(data, EXPANDED_MOST)
    version, mark, boot, number, drafts, facts = _read(line, _ENTRIES)
    return Entry(boot, number, drafts, facts, mark, version)


def _read(line: bytes, forms: _Forms[_A, _B]) -> tuple[int, str, str, int, _A, _B]:
    """Return the version, the mark and the other items of an array; see :func:`decode`."""
    versioned, unversioned = forms
    try:
        if line[:2] == b'["':
            return UNVERSIONED, "", *unversioned.decode(line)
        found = versioned.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        _look_for_newer(line)
        raise BadEntry(str(error)) from None
    if found[0] > VERSION:
        raise NewerEntry(found[0], found[1])
    return found


def _look_for_newer(line: bytes) -> None:
    """Raise :exc:`NewerEntry` if an unreadable line is of a newer version."""
    try:
        head = _HEADS.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return
    if head.version > VERSION:
        mark = bytes(head.mark)
        raise NewerEntry(head.version, mark.strip(b'"').decode() if mark[:1] == b'"' else "")


def expanded(data: bytes, most: int) -> bytes:
    """Return the decompressed form of some bytes.

    :raises BadEntry: if they are not compressed, or become more than ``most`` bytes.
    """
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, most)
    except zlib.error as error:
        raise BadEntry(str(error)) from None
    if stream.unconsumed_tail:
        raise BadEntry(f"it has more than {most:,} bytes")
    if not stream.eof:
        raise BadEntry("its end is missing")
    return found


def event_id(base: int, position: int, index: int) -> int:
    """Return the id of an event.

    :param base: the last id before the log began.
    :param position: the position of the entry in the log, from 1.
    :param index: the index of the event in the entry, from 0.
    """
    return base + (position << INDEX_BITS) + index + 1


class _Held(NamedTuple):
    """The pieces of one entry that have come.

    :ivar number: the number of the entry; :ivar of: how many pieces it has.
    :ivar came: the bytes of the pieces that have come, by their places.
    """

    number: int
    of: int
    came: dict[int, bytes]


class Pieces:
    """Keeps the pieces of incomplete entries, one entry per boot.

    They are stored as facts, for a node that restarts, and for one that begins at this position.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def load(self, fact: Fact) -> None:
        """Load a stored piece."""
        boot, place = fact.name.rsplit(" ", 1)
        number, of, data = fact.value.split(" ")
        held = self._held.setdefault(boot, _Held(int(number), int(of), {}))
        held.came[int(place)] = base64.b64decode(data)

    def check(self, piece: Piece) -> None:
        """Check that an entry does not get too long by a piece.

        :raises BadEntry: if it does.
        """
        came = {**self._of(piece).came, piece.place: piece.data}
        if sum(map(len, came.values())) > EXPANDED_MOST:
            raise BadEntry(f"its pieces have more than {EXPANDED_MOST:,} bytes")

    def _of(self, piece: Piece) -> _Held:
        """Return the pieces of the same entry as a piece; none yet if it is the first."""
        held = self._held.get(piece.boot)
        if held is None or held[:2] != (piece.number, piece.of):
            # An earlier entry was never completed, or this one was cut in another way before.
            held = _Held(piece.number, piece.of, {})
        return held

    def add(self, piece: Piece) -> tuple[list[Fact], bytes]:
        """Add a piece; return the facts to store, and the bytes of the entry if it is complete."""
        boot, held = piece.boot, self._of(piece)
        over = [] if self._held.get(boot) is held else self.drop(boot)
        held.came[piece.place] = piece.data
        self._held[boot] = held
        if len(held.came) == held.of:
            return over + self.drop(boot), b"".join(held.came[place] for place in range(held.of))
        data = base64.b64encode(piece.data).decode()
        return [*over, Fact(PART, f"{boot} {piece.place}", f"{held.number} {held.of} {data}")], b""

    def drop(self, boot: str) -> list[Fact]:
        """Forget the pieces of a boot; return the facts that remove them."""
        held = self._held.pop(boot, None)
        return [] if held is None else [Fact(PART, f"{boot} {place}", "") for place in held.came]
