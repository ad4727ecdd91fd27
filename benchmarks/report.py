"""What the race found: a table for people, JSON for programs, and the sections of RESULTS.md."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders import ROOT, WORKERS, Contender
from benchmarks.race import Race
from benchmarks.scenarios import Gap, Goal

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
SHOWN = ("fastapi", "flask", "gunicorn", "numpy", "onnxruntime", "orjson", "pydantic", "uvicorn", "werkzeug")
_HEADER = (
    "server",
    "requests/s",
    "rows/s",
    "p50 ms",
    "p99 ms",
    "server CPU us/request",
    "errors",
    "Sluice / it (range)",
)


def table(race: Race, everyone: Mapping[str, Contender]) -> str:
    """A Markdown table that also reads well in a terminal."""
    lines = [_HEADER, *(_line(race, everyone[name]) for name in race.scenario.contenders)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in (*lines[:1], rule, *lines[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def _line(race: Race, contender: Contender) -> tuple[str, ...]:
    typical = race.typical(contender.name)
    return (
        contender.title,
        f"{typical.requests_per_s:,.0f}",
        f"{typical.rows_per_s:,.0f}",
        f"{typical.p50_ms:.2f}",
        f"{typical.p99_ms:.2f}",
        f"{typical.cpu_us:,.0f}",
        str(typical.errors),
        "" if contender.name == race.scenario.ours else _spread(race.ratios(contender.name)),
    )


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"


def verdicts(race: Race) -> list[str]:
    """One line per goal."""
    return [_verdict(goal, race.reached(goal)) for goal in race.scenario.goals]


def _verdict(goal: Goal | Gap, measured: float) -> str:
    word = "reached" if goal.reached(measured) else "MISSED"
    return f"{word}: {goal.words()}; measured {measured:.2f}"


def surroundings(versions: Mapping[str, str]) -> dict[str, Any]:
    """Machine, software, and when."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: versions[name] for name in SHOWN if name in versions},
    }


def as_json(races: list[Race], around: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, every window included."""
    return {"surroundings": around, "scenarios": {race.scenario.name: _as_json(race) for race in races}}


def _as_json(race: Race) -> dict[str, Any]:
    rivals = [name for name in race.scenario.contenders if name != race.scenario.ours]
    return {
        "connections": race.scenario.connections,
        "rows_per_request": race.scenario.rows,
        "median": {name: asdict(race.typical(name)) for name in race.windows},
        "ratio": {name: median(race.ratios(name)) for name in rivals},
        "goals": [asdict(goal) | {"measured": race.reached(goal)} for goal in race.scenario.goals],
        "windows": {name: [asdict(window) for window in rounds] for name, rounds in race.windows.items()},
    }


def section(race: Race, everyone: Mapping[str, Contender], around: Mapping[str, Any], command: str) -> str:
    """One scenario's part of RESULTS.md."""
    scenario = race.scenario
    rounds = len(race.windows[scenario.ours])
    lines = [
        f"## {scenario.title}",
        f"`{command}`: {scenario.connections} connections, {WORKERS} workers each, median of {rounds} rounds.",
        provenance(around),
        table(race, everyone),
        "\n".join(f"- {line}" for line in verdicts(race)),
    ]
    return "\n\n".join(lines)


def provenance(around: Mapping[str, Any]) -> str:
    """When, on what machine and with what software a figure was taken."""
    machine = f"{around['processor']}, {around['cores']} cores, {around['memory_gib']} GiB, {around['system']}"
    versions = ", ".join(f"{name} {version}" for name, version in around["versions"].items())
    when = f"{around['date']}, commit {around['commit']}, load average before: {around['load_average']}"
    return f"{when}; {machine}; Python {around['python']}, {versions}."


def keep(name: str, text: str, path: Path = RESULTS) -> None:
    """Put a section into RESULTS.md in place of the one of that name, or at the end."""
    block = f"<!-- {name} -->\n{text.rstrip()}\n<!-- end of {name} -->\n"
    known = re.compile(rf"<!-- {re.escape(name)} -->\n.*?<!-- end of {re.escape(name)} -->\n", re.DOTALL)
    before = path.read_text()
    path.write_text(known.sub(lambda _: block, before) if known.search(before) else f"{before.rstrip()}\n\n{block}")


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
