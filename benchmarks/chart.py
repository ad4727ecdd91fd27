"""A bar for each contender as SVG: the same figures give the same bytes; readable on light and on dark pages."""

from collections.abc import Mapping
from html import escape
from statistics import median

from benchmarks.contenders.contender import Contender
from benchmarks.race import Race
from benchmarks.scenarios.scenario import LESS_IS_BETTER, WORDS

WIDTH, BAR, STEP, TOP, FOOT = 760, 18, 30, 56, 12
NAMES, FIGURES = 330, 90
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}.quiet{fill:#57606a}"
    ".ours{fill:#0969da}.rival{fill:#8c959f}.range{stroke:#24292f;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.ours{fill:#4493f8}.rival{fill:#6e7681}"
    ".range{stroke:#e6edf3}}"
)


def chart(race: Race, everyone: Mapping[str, Contender]) -> str:
    """Medians as bars, with a line from the least to the most of the rounds."""
    scenario, metric = race.scenario, race.scenario.shown
    found = {name: [getattr(window, metric) for window in rounds] for name, rounds in race.windows.items()}
    most = max((max(values) for values in found.values()), default=1.0) or 1.0
    height = TOP + STEP * len(scenario.contenders) + FOOT
    better = "less is better" if metric in LESS_IS_BETTER else "more is better"
    unit = f"{WORDS[metric]}{', ms' * metric.endswith('_ms')}, {better}; the line shows the range of the rounds"
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    rows = [
        line
        for at, name in enumerate(scenario.contenders)
        for line in _row(TOP + STEP * at, everyone[name], found.get(name, []), most)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(scenario.title)}">',
            f"<style>{STYLE}</style>",
            f'<text class="title" x="8" y="20">{escape(scenario.title)}</text>',
            f'<text class="quiet" x="8" y="40">{escape(unit)}</text>',
            *rows,
            "</svg>\n",
        ]
    )


def _row(top: int, contender: Contender, values: list[float], most: float) -> list[str]:
    middle = top + BAR / 2
    label = f'<text x="{NAMES - 8}" y="{middle + 4.5:g}" text-anchor="end">{escape(_short(contender.title))}</text>'
    if not values:
        return [label, f'<text class="quiet" x="{NAMES}" y="{middle + 4.5:g}">not measured</text>']
    scale, typical = (WIDTH - NAMES - FIGURES) / most, median(values)
    least, largest = (NAMES + value * scale for value in (min(values), max(values)))
    kind = "ours" if contender.ours else "rival"
    figure = f"{typical:,.0f}" if typical >= 100 else f"{typical:.2f}"
    return [
        label,
        f'<rect class="{kind}" x="{NAMES}" y="{top}" width="{max(1, typical * scale):.1f}" height="{BAR}" rx="2"/>',
        f'<line class="range" x1="{least:.1f}" x2="{largest:.1f}" y1="{middle:g}" y2="{middle:g}"/>',
        f'<text x="{largest + 6:.1f}" y="{middle + 4.5:g}">{figure}</text>',
    ]


def _short(title: str) -> str:
    return title if len(title) <= 46 else f"{title[:45]}…"
