"""Times on the command line: how long something goes on, how long an answer may take."""

import re
from typing import Any

import click

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Time(click.ParamType[float]):
    """A number and a unit, as seconds. ``name`` is shown in help texts, ``pattern`` is what may be written."""

    def __init__(self, name: str, pattern: str, wrong: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern, re.ASCII)
        self._wrong = wrong

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; without a unit the number is seconds already."""
        if isinstance(value, float):
            return value
        found = self._pattern.fullmatch(str(value))
        if not found:
            self.fail(f"{value!r} {self._wrong}", param, ctx)
        return float(found[1]) * _SECONDS[found[2] or "s"]


DURATION = Time("DURATION", r"(\d{1,9})([smhd])", "is no duration; write 30s, 15m, 12h or 90d")
LATENCY = Time("time", r"(?=[\d.]*[1-9])(\d+(?:\.\d+)?)(ms|s)?", "is no time; write 50ms or 0.05s")
"""Above 0: nothing is answered in no time."""
