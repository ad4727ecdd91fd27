"""The clients' environments: built below build/ while the first tests run, and kept for the next run.

Their pins may differ from the server's, so nothing of them is imported here: a test runs a script in one of them, which
prints what it saw as one line of JSON. Run as a program, this builds them all.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.environment import Environment
from tests.programs import ROOT

HERE = Path(__file__).resolve().parent

TRITON = Environment("client-triton", HERE / "tritonclient.txt")
KSERVE = Environment("client-kserve", HERE / "kserve.txt")
MLFLOW = Environment("client-mlflow", HERE / "mlflow.txt")


def drive(environment: Environment, script: str, task: Mapping[str, Any], timeout: float = 120) -> Any:
    """Run ``drivers/<script>`` there with a task as JSON on its standard input; what it printed last, parsed."""
    environment.ensure()
    done = subprocess.run(
        [str(environment.python), "-W", "ignore", str(HERE / "drivers" / script)],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{script}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def build_ahead() -> "subprocess.Popen[bytes]":
    """Build them beside the tests, with whatever these leave of the machine. ``end`` it."""
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.clients.environments"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(building: "subprocess.Popen[bytes]") -> None:
    """Nobody needs them any more. What is built by half is built again by the next run."""
    if building.poll() is None:
        os.killpg(building.pid, signal.SIGKILL)
    building.wait()


if __name__ == "__main__":
    for each in (TRITON, KSERVE, MLFLOW):
        each.ensure()
