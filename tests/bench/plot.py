"""How is a plot drawn?

Contract: pure; curves over a logarithmic axis of powers of ten, as SVG that needs nothing else. The vertical axis begins at 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 190, 40, 50
_COLOURS = ("#1b6ca8", "#7fb3d5", "#c0392b", "#e6a49b", "#555555")
_STEPS = (1, 2, 5)


def svg(title: str, across: str, up: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return the drawing of the named curves."""
    points = [point for curve in curves.values() for point in curve]
    first, last = (math.log10(end(x for x, _ in points)) for end in (min, max))
    step = _step(max(y for _, y in points))
    top = math.ceil(max(y for _, y in points) / step) * step

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + (math.log10(x) - first) / (last - first) * wide, _HEIGHT - _BOTTOM - y / top * high

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 20, title, size=15),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, across, anchor="middle"),
        _text(_LEFT, _TOP - 6, up),
    ]
    for number in range(round(top / step) + 1):
        left, y = at(10**first, number * step)
        lines.append(f'<path d="M{left:.1f} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        lines.append(_text(left - 6, y + 4, f"{number * step:g}", anchor="end"))
    for power in range(round(first), round(last) + 1):
        x, y = at(10**power, 0)
        lines.append(_text(x, y + 18, f"{10**power:,}", anchor="middle"))
    for (name, curve), colour in zip(curves.items(), _COLOURS, strict=False):
        places = [at(x, y) for x, y in curve]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        lines.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        lines.append(_text(places[-1][0] + 10, places[-1][1] + 4, name, colour=colour))
    return "\n".join([*lines, "</svg>", ""])


def _step(highest: float) -> float:
    """Return a round distance that divides the axis into five to ten."""
    power = 10.0 ** math.floor(math.log10(highest / 5))
    return next((power * step for step in _STEPS if highest / (power * step) <= 10), power * 10)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{text}</text>'
