"""What was measured as one SVG, drawn here: a picture of lines is no reason for a plotting library in a server."""

from collections.abc import Callable, Sequence
from html import escape
from math import log10

from app.tuning.machine import Load, Setup

WIDTH, HEIGHT, LEFT, TOP, GAP = 440, 300, 70, 50, 90
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_FONT = 'font-family="sans-serif" font-size="12"'


def draw(title: str, loads: Sequence[Load], chosen: Load) -> str:
    """Two panels over the size of a batch: how long a run takes, and how many rows a second come out."""
    found = list(dict.fromkeys(load.setup for load in loads))
    height = TOP + HEIGHT + GAP + 18 * len(found)
    width = 2 * (LEFT + WIDTH) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {_FONT}>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}</text>',
        *_panel(LEFT, "p95 of a run, ms", loads, chosen, lambda load: load.p95 * 1000),
        *_panel(2 * LEFT + WIDTH + 20, "rows per second", loads, chosen, lambda load: load.rows_per_s),
        *(line for at, setup in enumerate(found) for line in _legend(at, setup)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _panel(left: int, name: str, loads: Sequence[Load], chosen: Load, value: Callable[[Load], float]) -> list[str]:
    sizes = sorted({load.rows for load in loads})
    low, high = log10(min(map(value, loads)) / 1.2), log10(max(map(value, loads)) * 1.2)

    def place(load: Load) -> tuple[float, float]:
        x = left + WIDTH * sizes.index(load.rows) / max(1, len(sizes) - 1)
        return round(x, 1), round(TOP + HEIGHT * (high - log10(value(load))) / (high - low), 1)

    x, y = place(chosen)
    return [
        f'<text x="{left}" y="{TOP - 8}">{name}</text>',
        f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
        *_ticks(left, low, high),
        *(
            f'<text x="{left + WIDTH * at / max(1, len(sizes) - 1):.0f}" y="{TOP + HEIGHT + 16}"'
            f' text-anchor="middle">{size}</text>'
            for at, size in enumerate(sizes)
        ),
        f'<text x="{left + WIDTH / 2:.0f}" y="{TOP + HEIGHT + 34}" text-anchor="middle">rows in a batch</text>',
        *_lines(loads, place),
        f'<circle cx="{x}" cy="{y}" r="8" fill="none" stroke="black"><title>proposed</title></circle>',
    ]


def _ticks(left: int, low: float, high: float) -> list[str]:
    """One, two and five of each power of ten that is shown."""
    steps = [step * 10.0**power for power in range(int(low) - 2, int(high) + 2) for step in (1, 2, 5)]
    lines = []
    for step in steps:
        if low <= log10(step) <= high:
            y = TOP + HEIGHT * (high - log10(step)) / (high - low)
            lines.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
            lines.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{step:g}</text>')
    return lines


def _lines(loads: Sequence[Load], place: Callable[[Load], tuple[float, float]]) -> list[str]:
    drawn = []
    for at, setup in enumerate(dict.fromkeys(load.setup for load in loads)):
        points = [place(load) for load in loads if load.setup == setup]
        path = " ".join(f"{x},{y}" for x, y in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{_colour(at)}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x}" cy="{y}" r="3" fill="{_colour(at)}"/>' for x, y in points]
    return drawn


def _legend(at: int, setup: Setup) -> list[str]:
    y = TOP + HEIGHT + 60 + 18 * at
    words = f"{setup.workers} workers, {setup.threads} threads a run, {setup.pool} runs at a time"
    return [
        f'<line x1="{LEFT}" x2="{LEFT + 24}" y1="{y}" y2="{y}" stroke="{_colour(at)}" stroke-width="2"/>',
        f'<text x="{LEFT + 32}" y="{y + 4}">{words}</text>',
    ]


def _colour(at: int) -> str:
    return COLOURS[at % len(COLOURS)]
