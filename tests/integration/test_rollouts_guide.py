"""docs/rollouts.md as a newcomer follows it: every command as it stands, and the first line that each prints."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from scripts.demo_models.customers import WORDS, customers
from tests.programs import ROOT, wait_until
from tests.servers import MODELS, Server

_TEXT = (ROOT / "docs" / "rollouts.md").read_text()
_GUIDE = _TEXT[: _TEXT.index("## What is judged")]
_STEPS = re.findall(r"^\$ (.+)\n((?:(?!```|\$ ).*\n)*)", _GUIDE, re.MULTILINE)
CUSTOMERS = ROOT / "scripts" / "demo_models" / "customers.csv"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the second terminal, with the server of the first one running."""
    deployment = {"SLUICE_DEPLOYMENT_FILE": str(ROOT / "config" / "deployment.yaml")}
    with Server(tmp_path / "server", deployment, MODELS) as server:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        yield {"PATH": path, "SLUICE_URL": server.url, "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}


def first_line(command: str, shell: dict[str, str]) -> str:
    """What the command says first, or why it does nothing."""
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=shell, capture_output=True, text=True, timeout=60, check=False
    )
    return masked((done.stdout + done.stderr).partition("\n")[0])


def masked(line: str) -> str:
    """Without what made a canary fail: on a busy machine it may be slow before it is otherwise."""
    return re.sub(r"failed before \(.+\);", "failed before;", line)


@contextmanager
def sending(command: str, shell: dict[str, str], log: Path) -> Iterator[None]:
    """Send as the guide does in the background, until the end."""
    with log.open("w") as sink:
        words = shlex.split(command.partition(">")[0])
        with subprocess.Popen(words, cwd=ROOT, env=shell, stdout=sink, stderr=sink) as sender:
            yield
            sender.terminate()


def test_the_guide_to_rollouts(shell: dict[str, str], tmp_path: Path) -> None:
    (pin, shown), (send, _), *rest = _STEPS
    assert first_line(pin, shell) == shown.strip()
    with sending(send, shell, tmp_path / "sent.log"):
        for command, output in rest:
            wanted = masked(output.partition("\n")[0])
            patience = 100 if "--once" in command else 0.1
            wait_until(lambda it=command, says=wanted: first_line(it, shell) == says, patience, f"{command}: {wanted}")
    assert "failed" not in (tmp_path / "sent.log").read_text()
    assert len(rest) == 8


def test_the_customers_are_those_that_the_models_were_not_trained_on() -> None:
    table, _ = customers()
    held_out = table[-1000:].dropna(subset=list(WORDS))
    pd.testing.assert_frame_equal(
        pd.read_csv(CUSTOMERS, keep_default_na=False, na_values=[""]),
        pd.read_csv(StringIO(held_out.to_csv(index=False)), keep_default_na=False, na_values=[""]),
    )
