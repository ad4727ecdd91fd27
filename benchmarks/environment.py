"""A rival's own virtual environment, made by the benchmark so that no rival's pins touch the server's."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build"


class EnvironmentFailed(Exception):
    """It could not be installed; the text is pip's own."""


@dataclass(frozen=True, slots=True)
class Environment:
    """``build/<name>``, holding exactly what a requirements file pins."""

    name: str
    requirements: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return BUILD / self.name / "bin" / "python"

    def ensure(self) -> bool:
        """Install unless it is already what the requirements say; True when something was installed.

        Of several processes that ask at once one installs, and the others wait.

        Raises:
            EnvironmentFailed: pip said no.
        """
        BUILD.mkdir(exist_ok=True)
        with (BUILD / f"{self.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._install()

    def _install(self) -> bool:
        stamp = BUILD / self.name / "installed.sha256"
        wanted = hashlib.sha256(self.requirements.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return False
        shutil.rmtree(BUILD / self.name, ignore_errors=True)
        _checked([sys.executable, "-m", "venv", str(BUILD / self.name)])
        quick = ["--quiet", "--no-compile"]  # what is never imported need not be compiled
        _checked([str(self.python), "-m", "pip", "install", *quick, "--require-hashes", "-r", str(self.requirements)])
        stamp.write_text(wanted)
        return True

    def versions(self) -> dict[str, str]:
        """What is installed: package -> version."""
        return installed(str(self.python))


def installed(python: str) -> dict[str, str]:
    """Package -> version, as that interpreter sees it."""
    told = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("==", 1) for line in told.stdout.split() if "==" in line)


def _checked(argv: list[str]) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise EnvironmentFailed((done.stderr or done.stdout).strip()[-2000:])
