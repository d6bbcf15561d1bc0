"""The doors: the only list of them."""

from __future__ import annotations

from typing import Final

from chatservice.doors.json.dialog import ProgramDialog
from chatservice.doors.seam import Door
from chatservice.doors.text.dialog import PersonDialog

DOORS: Final[tuple[Door, ...]] = (ProgramDialog, PersonDialog)
"""In the order in which they are asked whether they recognise the first bytes of a peer.

The last one takes everybody, and so who says nothing and waits. A door behind which there is a
stream with first bytes of its own, as behind TLS, is handed this table, and does not import it.
"""
