"""What the race found: a table for people, JSON for programs, and the sections of RESULTS.md."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.chart import chart
from benchmarks.contenders.contender import WORKERS, Contender
from benchmarks.race import Race
from benchmarks.scenarios.scenario import Gap, Goal
from benchmarks.surroundings import provenance

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
CHARTS = HERE / "charts"
_HEADER = (
    "server",
    "requests/s",
    "rows/s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "CPU us/request",
    "MiB at start, after",
    "ready s",
    "errors",
    "first / it (range)",
)


def table(race: Race, everyone: Mapping[str, Contender]) -> str:
    """A Markdown table that also reads well in a terminal; below it who was not measured, and why."""
    lines = [_HEADER, *(_line(race, everyone[name]) for name in race.scenario.contenders if name in race.windows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in (*lines[:1], rule, *lines[1:])
    ]
    rows = [f"| {' | '.join(line)} |" for line in padded]
    return "\n".join([*rows, *_absent(race, everyone)])


def _line(race: Race, contender: Contender) -> tuple[str, ...]:
    typical, standing = race.typical(contender.name), race.standings[contender.name]
    return (
        contender.title,
        f"{typical.requests_per_s:,.0f}",
        f"{typical.rows_per_s:,.0f}",
        f"{typical.p50_ms:.2f}",
        f"{typical.p95_ms:.2f}",
        f"{typical.p99_ms:.2f}",
        f"{typical.cpu_us:,.0f}",
        f"{standing.mib_at_start:,.0f}, {standing.mib_after:,.0f}",
        f"{standing.ready_s:.1f}",
        str(typical.errors),
        _spread(race.ratios(contender.name)) if contender.name != race.scenario.ours else "",
    )


def _absent(race: Race, everyone: Mapping[str, Contender]) -> list[str]:
    """Rows of the table, so that nobody is hidden."""
    filler = " |" * (len(_HEADER) - 2)
    return [
        f"| {everyone[name].title} | not measured: {' '.join(reason.replace('|', '/').split())} |{filler}"
        for name, reason in race.absent.items()
    ]


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})" if ratios else ""


def verdicts(race: Race, everyone: Mapping[str, Contender]) -> list[str]:
    """One line per goal."""
    return [_verdict(goal, everyone[goal.rival].title, race.reached(goal)) for goal in race.scenario.goals]


def _verdict(goal: Goal | Gap, rival: str, measured: float | None) -> str:
    if measured is None:
        return f"not measured: {goal.words(rival)}"
    word = "reached" if goal.reached(measured) else "MISSED"
    return f"{word}, {measured:.2f}: {goal.words(rival)}"


def keep_goals(races: list[Race], everyone: Mapping[str, Contender], around: Mapping[str, Any], command: str) -> None:
    """The list of all goals, at the top of RESULTS.md."""
    lines = []
    for race in races:
        if found := verdicts(race, everyone):
            lines += [f"- [{race.scenario.title}](#{_anchor(race)})", *(f"  - {line}" for line in found)]
    keep("goals", "\n\n".join(["## Goals", f"`{command}`: {provenance(around)}", "\n".join(lines)]))


def _anchor(race: Race) -> str:
    """How a heading is linked to: small letters, hyphens for spaces, no punctuation."""
    return re.sub(r"[^a-z0-9 -]", "", race.scenario.title.lower()).replace(" ", "-")


def as_json(races: list[Race], around: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, every window included."""
    return {"surroundings": around, "scenarios": {race.scenario.name: _as_json(race) for race in races}}


def _as_json(race: Race) -> dict[str, Any]:
    return {
        "connections": race.scenario.connections,
        "rows_per_request": race.scenario.rows,
        "ours": race.scenario.ours,
        "median": {name: asdict(race.typical(name)) for name in race.windows},
        "servers": {name: asdict(standing) for name, standing in race.standings.items()},
        "not_measured": race.absent,
        "goals": [asdict(goal) | {"measured": race.reached(goal)} for goal in race.scenario.goals],
        "windows": {name: [asdict(window) for window in rounds] for name, rounds in race.windows.items()},
    }


def save(race: Race, everyone: Mapping[str, Contender], around: Mapping[str, Any], command: str, rounds: int) -> None:
    """Write the scenario's chart and its section."""
    CHARTS.mkdir(exist_ok=True)
    picture = CHARTS / f"{race.scenario.name}.svg"
    picture.write_text(chart(race, everyone))
    keep(race.scenario.name, _section(race, everyone, around, command, rounds))


def _section(
    race: Race, everyone: Mapping[str, Contender], around: Mapping[str, Any], command: str, rounds: int
) -> str:
    scenario = race.scenario
    load = f"{scenario.connections} connection{'s' * (scenario.connections > 1)}"
    lines = [
        f"## {scenario.title}",
        f"`{command}`: {load}, {WORKERS} workers each, median of {rounds} round{'s' * (rounds > 1)}.",
        provenance(around),
        f"![{scenario.title}](charts/{scenario.name}.svg)",
        table(race, everyone),
        "\n".join(f"- {line}" for line in verdicts(race, everyone)),
        scenario.note,
    ]
    return "\n\n".join(line for line in lines if line)


def keep(name: str, text: str, path: Path = RESULTS) -> None:
    """Put a section into RESULTS.md in place of the one of that name, or at the end."""
    block = f"<!-- {name} -->\n{text.rstrip()}\n<!-- end of {name} -->\n"
    known = re.compile(rf"<!-- {re.escape(name)} -->\n.*?<!-- end of {re.escape(name)} -->\n", re.DOTALL)
    before = path.read_text()
    path.write_text(known.sub(lambda _: block, before) if known.search(before) else f"{before.rstrip()}\n\n{block}")
