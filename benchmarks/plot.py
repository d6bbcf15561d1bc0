"""A plot of lines through points: an SVG, on logarithmic scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 130, 44, 56
COLOURS = ("#c2185b", "#1565c0", "#2e7d32", "#ef6c00", "#6a1b9a", "#455a64")

Points = Sequence[tuple[float, float]]


def svg(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Return an SVG of lines through points; each line has its name at its end.

    :param across: the label of the horizontal axis; ``up``, of the vertical.
    """
    points = [point for line in series.values() for point in line]
    horizontal = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    vertical = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" fill="#222222">{escape(title)}</text>',
    ]
    for tick in horizontal.ticks:
        x = horizontal.at(tick)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{tick:,g}", "middle"))
    for tick in vertical.ticks:
        y = vertical.at(tick)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 8, y + 4, f"{tick:,g}", "end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 14, across, "middle"))
    parts.append(
        f'<g transform="rotate(-90 18 {HEIGHT / 2})">{_text(18, HEIGHT / 2, up, "middle")}</g>'
    )
    ends: list[float] = []
    for (name, line), colour in zip(series.items(), COLOURS, strict=False):
        if not line:
            continue
        drawn = " ".join(f"{horizontal.at(x):.1f},{vertical.at(y):.1f}" for x, y in line)
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
        for x, y in line:
            place = f'cx="{horizontal.at(x):.1f}" cy="{vertical.at(y):.1f}"'
            parts.append(f'<circle {place} r="3.5" fill="{colour}"/>')
        x, y = line[-1]
        end = vertical.at(y) + 4
        while any(abs(end - other) < 15 for other in ends):
            end += 3
        ends.append(end)
        parts.append(_text(horizontal.at(x) + 8, end, name, "start", colour))
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """A logarithmic axis, from one place of the picture to another.

    :ivar ticks: the powers of ten that enclose all values.
    """

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._least, self._most = floor(log10(min(values))), ceil(log10(max(values)))
        self._start, self._end = start, end
        self.ticks = [10.0**power for power in range(self._least, self._most + 1)]

    def at(self, value: float) -> float:
        """Return the place of a value."""
        share = (log10(value) - self._least) / max(1, self._most - self._least)
        return self._start + share * (self._end - self._start)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222222") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>"
