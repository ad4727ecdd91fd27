"""The command line as a person uses it: ``flask --app wsgi ...``, in this process or in one of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from flask.cli import FlaskGroup

from app.factory import create_app
from config.settings import Settings
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
    settings: Mapping[str, str] = field(default_factory=dict)

    def but(self, **settings: str) -> "CommandLine":
        """The same with more variables set."""
        return replace(self, settings={**self.settings, **settings})

    @property
    def environment(self) -> Mapping[str, str]:
        """What the commands are told from outside."""
        return {
            "PORT": str(self.port),
            "SLUICE_MODELS_DIR": str(self.models),
            "SLUICE_DEPLOYMENT_FILE": "/dev/null",
            **self.settings,
        }

    def run(self, *words: str | Path) -> Outcome:
        """Run the words through Flask's own command line, here: a second faster than a new process."""
        group = FlaskGroup(create_app=lambda: create_app(Settings.from_env(self.environment)), set_debug_flag=False)
        result = CliRunner().invoke(group, list(map(str, words)), prog_name="flask")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def run_apart(self, *words: str | Path) -> Outcome:
        """Run ``flask --app wsgi`` with these words in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *map(str, words)],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **self.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def add(self, file: Path, name: str, *words: str | Path, version: str = "v1") -> Outcome:
        """``models add`` with JSON output."""
        return self.run("models", "add", file, "--name", name, "--version", version, "--json", *words)
