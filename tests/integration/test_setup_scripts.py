"""The first commands a newcomer types, on machines that lack something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ROOT


def _command(folder: Path, name: str, *lines: str) -> None:
    path = folder / name
    path.write_text("\n".join(("#!/bin/bash", *lines, "")), encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """The only folder on PATH besides the system's own /usr/bin and /bin."""
    folder = tmp_path / "commands"
    folder.mkdir()
    return folder


def _run(script: str, *arguments: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), **variables}
    command = [str(ROOT / "scripts" / script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_python_that_is_too_old_is_named_with_the_way_out(commands: Path, tmp_path: Path) -> None:
    _command(commands, "oldpython", 'if [[ $1 == --version ]]; then echo "Python 3.9.1"; else exit 1; fi')
    result = _run("make_venv.sh", str(tmp_path / "venv"), "run", path=commands, PYTHON="oldpython")
    assert result.returncode == 1
    assert "needs Python 3.11 or newer; oldpython is Python 3.9.1." in result.stderr
    assert "make run PYTHON=" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_a_command_that_only_looks_like_python_is_passed_over(commands: Path, tmp_path: Path) -> None:
    _command(commands, "python3", "exit 127")
    (commands / "python3.13").symlink_to(Path(sys.executable).resolve())
    result = _run("make_venv.sh", str(tmp_path / "venv"), "run", path=commands)
    assert result.returncode == 0, result.stderr
    version = subprocess.run([tmp_path / "venv/bin/python", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split()[1] == ".".join(map(str, sys.version_info[:3]))


def test_a_python_without_venv_says_which_package_brings_it(commands: Path, tmp_path: Path) -> None:
    _command(commands, "bare", "[[ $2 == *ensurepip* ]] && exit 1 || exit 0")
    result = _run("make_venv.sh", str(tmp_path / "venv"), "run", path=commands, PYTHON="bare")
    assert result.returncode == 1
    assert "apt-get install python3-venv" in result.stderr


def test_missing_packages_are_named_to_whoever_is_not_root(tmp_path: Path, commands: Path) -> None:
    for name in ("dirname", "bash"):
        (commands / name).symlink_to(f"/usr/bin/{name}")
    _command(commands, "id", "echo 1000")
    _command(commands, "apt-get", f"touch {tmp_path}/installed")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "install_packages.sh").write_text((ROOT / "scripts/install_packages.sh").read_text(encoding="utf-8"))
    (tmp_path / "packages.txt").write_text("# note\npresent  bash\nabsent  no-such-command-here\n", encoding="utf-8")
    command = ["bash", str(scripts / "install_packages.sh")]
    environment = {"PATH": str(commands)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert "sudo apt-get update && sudo apt-get install --yes --no-install-recommends absent\n" in result.stderr
    assert not (tmp_path / "installed").exists()


def test_help_lists_every_documented_target() -> None:
    result = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, timeout=30, check=True)
    listed = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("make ")}
    assert {"help", "install", "run", "test", "check", "bench", "clean"} <= listed
