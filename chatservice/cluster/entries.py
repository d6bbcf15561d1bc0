"""Entries of the log: what one node says happened, as bytes and back.

An entry is a JSON array: the version of the log that it is of, the log that it is for, the *boot*
that publishes (a node from one start, or loss of its lease, to the next), the number that the boot
gives it, drafts, and facts. Long ones are compressed (zlib). A beat, by which a node shows that it
is there, is one with the number 0. Those of version 1 begin with the boot.

What is longer than the brokers take at once is published in *pieces*: a line with a JSON array that
begins as an entry does, goes on with the place of the piece and how many there are, and then bytes
of the entry. It has the place in the log of the piece that comes last.

Whatever else changes, each entry and the line of each piece is an array that begins with the
version. So a node knows what it does not understand.

The ids of an entry's events are known when it is back from the log. Until then a fact that has to
name one says ``-1`` for the first event of its entry, ``-2`` for the second.
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
"""The version of the log that this node writes. It rises with what entries are and do, of which the
rules of names are a part: whoever changes something else raises the number in front of them."""

UNVERSIONED: Final = 1
"""That of entries which do not tell it."""

VERSIONED: Final = "version"
"""The kind of the fact which version the log has by now."""

PART: Final = "part"
"""A piece of an entry of which others are still to come. It is stored, but never published."""

TOLD: Final = "told"
"""The events that an entry tells beside its own, by its position: new names of people and rooms.
They are made of what held there, so a node that begins with what held later could not make them."""

NAME: Final = "name"
"""A name is held. A claim takes effect only if nobody else holds it."""

PERSON: Final = "person"
"""Somebody at a plain socket is here."""

LEASE: Final = "lease"
"""A boot is there, or was."""

TAKE: Final = "take"
"""Somebody is on another node now, if they still are where they are said to have been."""

ADOPT: Final = "adopt"
"""Who was with a boot is with another one now, if nothing was heard of that since."""

BYE: Final = "bye"
"""A boot ends."""

SEND_AWAY: Final = "send-away"
"""The node of a member is asked to let it go."""

INDEX_BITS: Final = 15
"""An entry has fewer than so many (2 to the power of this) events."""

COMPRESSED_FROM: Final = 4096

EXPANDED_MOST: Final = 16 << 20
"""Bytes of an entry that is not compressed, at most. A thousand programs that have left as many
rooms as a session remembers have less."""


class BadEntry(ValueError):
    """Raised for bytes in the log that are no entry."""


class NewerEntry(Exception):
    """Raised for bytes in the log that a newer version wrote.

    :ivar version: which one.
    :ivar mark: of the log that it is for; ``""`` if that can't be told.
    """

    def __init__(self, version: int, mark: str) -> None:
        super().__init__(version)
        self.version = version
        self.mark = mark


class Entry(NamedTuple):
    """The drafts and facts that one boot publishes at once.

    :ivar mark: of the log that it is for (:func:`mark_of`); ``""`` if it does not tell.
    :ivar version: of the log that it is of.
    """

    boot: str
    number: int
    drafts: Sequence[Draft]
    facts: Sequence[Fact]
    mark: str = ""
    version: int = VERSION


class Piece(NamedTuple):
    """Some bytes of an entry that is too long to be published at once.

    :ivar boot: that of the entry, as ``number``, ``mark`` and ``version`` are.
    :ivar place: among the pieces, from 0.
    :ivar of: how many pieces there are.
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
"""The readers of an array with a version, and of one without."""

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
    """The beginning of an entry of any version. Nothing is made of what follows it."""

    version: int
    mark: msgspec.Raw = msgspec.Raw(b'""')


_HEADS: Final = Decoder(_Head)


def mark_of(identity: str, base: int) -> str:
    """Return the mark of a log: an entry that gets into another log is void there.

    :param identity: of the journal that the log is.
    :param base: the last id there was before the log.
    """
    return hashlib.sha256(f"{identity} {base}".encode()).hexdigest()[:8]


def encode(entry: Entry) -> bytes:
    """Return an entry as bytes.

    :raises BadEntry: if it is too long for those who read it.
    """
    boot, number, drafts, facts, mark, version = entry
    data = _encode((version, mark, boot, number, drafts, facts))
    if len(data) > EXPANDED_MOST:
        raise BadEntry(f"it has more than {EXPANDED_MOST:,} bytes")
    return zlib.compress(data, 1) if len(data) >= COMPRESSED_FROM else data


def cut(entry: Entry, largest: int) -> list[bytes]:
    """Return the bytes to publish for an entry: itself, or its pieces.

    :param largest: so many bytes can be published at once.
    :raises BadEntry: if it is too long for those who read it.
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
    """Return the entry, or the piece of one, that bytes are.

    :raises BadEntry: if they are none.
    :raises NewerEntry: if they are for a newer version to read.
    """
    if data[:1] == b"+":
        line, _, piece = data[1:].partition(b"\n")
        version, mark, boot, number, place, of = _read(line, _PIECES)
        if not (piece and number and place < of):
            raise BadEntry("no place of a piece")
        return Piece(boot, number, place, of, piece, mark, version)
    line = data if data[:1] == b"[" else expanded(data, EXPANDED_MOST)
    version, mark, boot, number, drafts, facts = _read(line, _ENTRIES)
    return Entry(boot, number, drafts, facts, mark, version)


def _read(line: bytes, forms: _Forms[_A, _B]) -> tuple[int, str, str, int, _A, _B]:
    """Return the items of an array, as :func:`decode` reads it."""
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
    """Raise :exc:`NewerEntry` if a line that can't be read is of a newer version."""
    try:
        head = _HEADS.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return
    if head.version > VERSION:
        mark = bytes(head.mark)
        raise NewerEntry(head.version, mark.strip(b'"').decode() if mark[:1] == b'"' else "")


def expanded(data: bytes, most: int) -> bytes:
    """Return the bytes that were compressed.

    :raises BadEntry: if they were not, or if there are more than ``most``.
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

    :param base: the last id there was before the log.
    :param position: of the entry in the log, from 1.
    :param index: of the event in the entry, from 0.
    """
    return base + (position << INDEX_BITS) + index + 1


class _Held(NamedTuple):
    """Pieces of one entry.

    :ivar number: that of the entry; :ivar of: how many pieces it has.
    :ivar came: those that have come, by their place.
    """

    number: int
    of: int
    came: dict[int, bytes]


class Pieces:
    """Pieces of which others are still to come: of each boot, those of one entry.

    They are facts, so they are there after a restart, and for who begins in the midst.
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
        """See to it that there is not too much of an entry.

        :raises BadEntry: if there would be with this piece.
        """
        came = {**self._of(piece).came, piece.place: piece.data}
        if sum(map(len, came.values())) > EXPANDED_MOST:
            raise BadEntry(f"its pieces have more than {EXPANDED_MOST:,} bytes")

    def _of(self, piece: Piece) -> _Held:
        """Return the pieces that a piece belongs to."""
        held = self._held.get(piece.boot)
        if held is None or held[:2] != (piece.number, piece.of):
            # An entry before it never came to its end, or it was cut in another way.
            held = _Held(piece.number, piece.of, {})
        return held

    def add(self, piece: Piece) -> tuple[list[Fact], bytes]:
        """Take a piece; return what is stored for it, and the entry if it is the last one."""
        boot, held = piece.boot, self._of(piece)
        over = [] if self._held.get(boot) is held else self.drop(boot)
        held.came[piece.place] = piece.data
        self._held[boot] = held
        if len(held.came) == held.of:
            return over + self.drop(boot), b"".join(held.came[place] for place in range(held.of))
        data = base64.b64encode(piece.data).decode()
        return [*over, Fact(PART, f"{boot} {piece.place}", f"{held.number} {held.of} {data}")], b""

    def drop(self, boot: str) -> list[Fact]:
        """Forget the pieces of a boot; return the facts by which that is stored."""
        held = self._held.pop(boot, None)
        return [] if held is None else [Fact(PART, f"{boot} {place}", "") for place in held.came]
