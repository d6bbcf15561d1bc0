"""Where the line that is typed goes on in the next row: never within what is one character.

prompt_toolkit folds it at the edge. There it loses a mark, and it expects fewer rows than it needs
if wide characters leave a column empty. So such columns are filled with a space, which is shown
and not sent.
"""

from __future__ import annotations

from bisect import bisect_right

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.utils import get_cwidth


class Folding(Processor):
    """Fills what would stay empty at the edge.

    :param margin: columns in front of each row.
    """

    def __init__(self, margin: int) -> None:
        self.margin = margin

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """See :class:`Processor`."""
        room = transformation_input.width - self.margin
        fragments = explode_text_fragments(transformation_input.fragments)
        shown: StyleAndTextTuples = []
        filled: list[int] = []  # Before which characters of the line there is a space.
        used = 0
        for place, fragment in enumerate(fragments):
            columns = get_cwidth(fragment[1])
            marked = place + 1 < len(fragments) and get_cwidth(fragments[place + 1][1]) == 0
            if (
                room > 2
                and columns
                and (used + columns > room or (used + columns == room and marked))
            ):
                while used < room:
                    shown.append(("", " "))
                    filled.append(place)
                    used += 1
                used = 0
            shown.append(fragment)
            used += columns
        return Transformation(
            shown,
            lambda source: source + bisect_right(filled, source),
            lambda display: self._source(filled, display),
        )

    @staticmethod
    def _source(filled: list[int], display: int) -> int:
        """Return the place in the line of a place in what is shown."""
        spaces = sum(place + number < display for number, place in enumerate(filled))
        return display - spaces
