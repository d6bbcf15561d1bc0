"""A line of a program's output, as one would see it on a terminal: what is said of it."""

from __future__ import annotations

import re
from typing import Final

from chatservice.text.sanitising import edited

# Control sequences, strings (titles, links) and all other escapes (ECMA-48, sections 5.3 to 5.6);
# the bell. One that is cut off by the end of the line counts, too.
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*(?:[0-~]|$)"
    r"|\x07"
)

# EL and ED (ECMA-48, sections 8.3.41 and 8.3.39).
_ERASES: Final = re.compile(r"(?:\x1b\[|\x9b)[0-3]?[JK]")


def as_seen(line: str) -> str:
    r"""Return what one sees of a line in the end.

    That is the text behind the last ``\r``, by which progress is drawn over itself, without colours
    and without what backspaces erase. Where that is nothing, what was there before is still seen,
    unless it was erased.

    :param line: without its end; it is not safe to show yet.
    """
    if line.isprintable():
        return line
    for piece in reversed(line.split("\r")):
        shown = _ESCAPES.sub("", piece)
        if "\b" in shown:
            shown = edited(shown)
        if shown:
            return shown
        if _ERASES.search(piece):
            break
    return ""
