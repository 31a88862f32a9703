"""Small plots as SVG: bars, and lines over a logarithmic or plain axis."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10
from typing import NamedTuple

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 36
COLOURS = ("#1f5fa8", "#c2571a", "#2c7d4f", "#7a4fa0")
TICKS = 4


class Point(NamedTuple):
    """A value over a place; `label` is what the axis says there."""

    x: float
    y: float
    label: str


def bars(title: str, unit: str, values: Mapping[str, float]) -> str:
    """Return one bar a name."""
    top = nice(max(values.values()))
    width = (WIDTH - LEFT - RIGHT) / len(values)
    shapes = []
    for number, (name, value) in enumerate(values.items()):
        x, y = LEFT + number * width, _y(value, top)
        shapes.append(
            f'<rect x="{x + width * 0.2:.1f}" y="{y:.1f}" width="{width * 0.6:.1f}"'
            f' height="{HEIGHT - BOTTOM - y:.1f}" fill="{COLOURS[number % len(COLOURS)]}"/>'
        )
        shapes.append(_text(x + width / 2, y - 5, f"{value:,.0f}", "middle"))
        shapes.append(_text(x + width / 2, HEIGHT - BOTTOM + 16, name, "middle"))
    return _svg(title, unit, top, shapes)


def lines(title: str, unit: str, series: Mapping[str, Sequence[Point]]) -> str:
    """Return one line a name over a common axis; the places are taken as they are, scaled to the width."""
    points = [point for each in series.values() for point in each]
    top = nice(max(point.y for point in points))
    low, high = min(point.x for point in points), max(point.x for point in points)
    inner = WIDTH - LEFT - RIGHT - 24

    def x_of(point: Point) -> float:
        return LEFT + 12 + (point.x - low) / ((high - low) or 1) * inner

    shapes = []
    for number, (name, each) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x_of(point):.1f},{_y(point.y, top):.1f}" for point in each)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes.append(_text(LEFT + 8 + number * 120, TOP - 4, name, "start", colour))
    labels = sorted({(x_of(point), point.label) for point in points})
    shapes += [_text(x, HEIGHT - BOTTOM + 16, label, "middle") for x, label in labels if label]
    return _svg(title, unit, top, shapes)


def nice(value: float) -> float:
    """Return the least of 1, 2, 2.5, 5 times a power of ten that is not below the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** ceil(log10(value) - 1)
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999)


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#444") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _svg(title: str, unit: str, top: float, shapes: Sequence[str]) -> str:
    grid = []
    for tick in range(TICKS + 1):
        value = top * tick / TICKS
        y = _y(value, top)
        grid.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        grid.append(_text(LEFT - 6, y + 4, f"{value:,.10g}", "end"))
    head = _text(8, 16, f"{title} ({unit})", "start", "#111")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>' + "".join([*grid, head, *shapes]) + "</svg>\n"
    )
