"""One server that takes part: how it is started and which doors it has."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.doors.door import Door
from benchmarks.environment import Environment

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
RIVALS = HERE / "rivals"
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """``environment`` is the virtual environment it runs in, None for the one this program runs in.

    ``command`` is what follows ``python``, started in ``folder``; ``{port}`` in it stands for the first of its ports,
    which it is also told by the variables named in ``ports``, and the number of worker processes by
    ``WEB_CONCURRENCY``. ``prepare`` is run once before, in the same way. ``doors`` are the ways to it, by the name
    that scenarios use, ``needs`` the Redis servers it asks, ``model`` the key of what it serves.
    """

    name: str
    title: str
    command: tuple[str, ...]
    doors: Mapping[str, Door]
    model: str = "trees"
    folder: Path = ROOT
    environment: Environment | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ("PORT",)
    needs: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    ours: bool = False

    def argv(self, ports: Mapping[str, str]) -> list[str]:
        """The whole command line."""
        port = ports[self.ports[0]]
        return [self.python, *(word.replace("{port}", port) for word in self.command)]

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.environment.python) if self.environment else sys.executable

    def surroundings(self, ports: Mapping[str, str]) -> dict[str, str]:
        """The environment variables it is started with; its own programs come first on the PATH."""
        path = f"{Path(self.python).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        known = {"PATH": path, "WEB_CONCURRENCY": str(WORKERS), "ORT_DISABLE_TELEMETRY": "1"}
        return {**os.environ, **known, **self.variables, **ports}
