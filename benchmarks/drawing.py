"""Charts as SVG, both axes logarithmic, with nothing but text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

COLOURS = {"mainspring": "#0b6e4f", "apscheduler": "#c8553d"}
WIDTH, HEIGHT, MARGIN, COLUMNS = 380, 230, 56, 2
STYLE = "text{font:11px sans-serif;fill:#555}.title{font-weight:bold;font-size:13px;fill:#222}"


@dataclass(frozen=True)
class Curve:
    """A line through points, labelled at its end."""

    label: str
    subject: str
    points: list[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over the same axes."""

    title: str
    x_unit: str
    y_unit: str
    curves: list[Curve]


def number(value: float) -> str:
    """A power of ten as people write it."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1_000:g}k" if value >= 1_000 else f"{value:g}"


def decades(values: list[float]) -> tuple[int, int]:
    """Powers of ten below and above all values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def chart_svg(chart: Chart, left: float, top: float) -> list[str]:
    """The elements of one chart."""
    points = [(x, max(y, 1e-4)) for curve in chart.curves for x, y in curve.points]
    parts = [f'<text class="title" x="{left}" y="{top - 12}">{escape(chart.title)}</text>']
    if not points:
        return parts
    (x_low, x_high), (y_low, y_high) = (
        decades([point[axis] for point in points]) for axis in (0, 1)
    )

    def at(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(max(y, 1e-4)) - y_low) / (y_high - y_low)
        return left + right * WIDTH, top + (1 - up) * HEIGHT

    for power in range(x_low, x_high + 1):
        x, bottom = at(10.0**power, 10.0**y_low)
        parts.append(f'<path d="M{x:.1f} {top}V{bottom:.1f}" stroke="#eee"/>')
        label = number(10.0**power)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{label}</text>')
    for power in range(y_low, y_high + 1):
        _, y = at(10.0**x_low, 10.0**power)
        parts.append(f'<path d="M{left} {y:.1f}h{WIDTH}" stroke="#eee"/>')
        label = number(10.0**power)
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    foot = top + HEIGHT + 32
    parts.append(
        f'<text x="{left + WIDTH}" y="{foot}" text-anchor="end">{escape(chart.x_unit)}</text>'
        f'<text x="{left}" y="{foot}">{escape(chart.y_unit)}</text>'
    )
    for place, curve in enumerate(curve for curve in chart.curves if curve.points):
        colour = COLOURS.get(curve.subject, "#555")
        dash = ' stroke-dasharray="4 3"' if curve.dashed else ""
        line = "L".join("{:.1f} {:.1f}".format(*at(*point)) for point in curve.points)
        parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        for point in curve.points:
            x, y = at(*point)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        y = top + 14 + 15 * place
        parts.append(
            f'<path d="M{left + 8} {y - 4}h20" stroke="{colour}" stroke-width="2"{dash}/>'
            f'<text x="{left + 34}" y="{y}">{escape(curve.label)}</text>'
        )
    return parts


def draw(charts: list[Chart], caption: str) -> str:
    """An SVG document of the charts, two in a row."""
    rows = math.ceil(len(charts) / COLUMNS)
    across, down = WIDTH + 2 * MARGIN, HEIGHT + 90
    width, height = across * COLUMNS, down * rows + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        f'<style>{STYLE}</style><rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, chart in enumerate(charts):
        row, column = divmod(index, COLUMNS)
        parts += chart_svg(chart, MARGIN + across * column, 40.0 + down * row)
    parts.append(f'<text x="{MARGIN}" y="{height - 12}">{escape(caption)}</text></svg>')
    return "\n".join(parts) + "\n"
