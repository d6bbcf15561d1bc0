"""The only list of the doors: text for people, JSON for programs."""

from __future__ import annotations

from typing import Final

from chatservice.doors.json.dialog import ProgramDialog
from chatservice.doors.seam import Door
from chatservice.doors.text.dialog import PersonDialog

DOORS: Final[tuple[Door, ...]] = (ProgramDialog, PersonDialog)
"""All doors, in the order in which they are asked whether they recognise a peer's first bytes.

The last door takes every peer, so also a silent one. A door whose stream contains another stream
with first bytes of its own, as TLS does, must get this table as an argument, not import it.
"""
