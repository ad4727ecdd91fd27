"""The command line as a person uses it: ``flask --app wsgi ...`` in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.programs import ROOT


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """What it wrote, which must be JSON and nothing else."""
        assert self.status == 0, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Commands against one model repository, for a server at ``port``."""

    models: Path
    port: int = 8000

    def run(self, *words: str | Path) -> Outcome:
        """Run ``flask --app wsgi`` with these words."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *map(str, words)],
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                "PORT": str(self.port),
                "SLUICE_MODELS_DIR": str(self.models),
                "SLUICE_DEPLOYMENT_FILE": "/dev/null",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def add(self, file: Path, name: str, *words: str | Path, version: str = "v1") -> Outcome:
        """``models add`` with JSON output."""
        return self.run("models", "add", file, "--name", name, "--version", version, "--json", *words)
