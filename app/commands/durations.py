"""Times on the command line: how long something goes on, how long an answer may take."""

import re
from typing import Any

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """``30s``, ``15m``, ``12h``, ``90d``."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhd])", str(value), re.ASCII)
        if not match:
            self.fail(f"{value!r} is no duration; write 30s, 15m, 12h or 90d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


class Latency(click.ParamType[float]):
    """``50ms`` or ``0.05`` (seconds), as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A number above 0, with a unit or without."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", str(value), re.ASCII)
        seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is no time; write 50ms or 0.05s", param, ctx)
        return seconds
