"""The clients' environments: built below build/ the first time a test needs one, and kept for the next run.

Their pins may differ from the server's, so nothing of them is imported here: a test runs a script in one of them, which
prints what it saw as one line of JSON.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.environment import Environment

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
