"""Runs ``twistd`` as a node of another version: ``other_version.py VERSION ...``.

- ``1`` writes entries as nodes did before versions existed, and allows the names of that time;
- ``4`` has rules by which a zero in a name is the letter o, and no name may have a ``=``.
"""

from __future__ import annotations

import json
import sys
import zlib

from twisted.scripts.twistd import run

from chatservice.text import names

version = names.RULES = int(sys.argv.pop(1))

if version == 1:
    names.FORBIDDEN -= frozenset("!@:?*{}")  # type: ignore[misc]

if version > 3:
    names.FORBIDDEN |= {"="}  # type: ignore[misc]
    key = names.key
    names.key = lambda name: key(name).replace("0", "o")  # type: ignore[assignment]

from chatservice.cluster import entries, following, outgoing  # noqa: E402

assert version == entries.VERSION

if version == 1:

    def cut(entry: entries.Entry, largest: int) -> list[bytes]:
        text = json.dumps(entry[:4], ensure_ascii=False, separators=(",", ":")).encode()
        return [zlib.compress(text, 1) if len(text) >= entries.COMPRESSED_FROM else text]

    def founding(self: following.Following) -> following.Founding:
        found = _founding(self)
        facts = [fact for fact in found.facts if fact.kind != entries.VERSIONED]
        return found._replace(facts=facts)

    _founding = following.Following.founding
    following.Following.founding = founding  # type: ignore[method-assign]
    outgoing.cut = cut

if __name__ == "__main__":
    run()
