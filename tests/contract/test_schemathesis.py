"""The OpenAPI document says what the server does: Schemathesis with its default checks finds nothing.

Coverage runs through every boundary of every feature, so it is left to the models with few of them; their bodies are
described by the same code as the others'.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server

WIDE = "digits|churn|^/predict|^/invocations|^/score|diabetes/(versions|warm)"
DOCUMENT = "/openapi.json"
METHODS = {"get", "post", "put", "patch", "delete"}
ENDING = ("/unload", "/traffic", "/rollouts")
"""An unloaded model makes every later request of the run a 503. Percentages that add up to 100, which is beyond JSON
Schema, and versions that exist are made up by chance only; ``test_traffic`` asks for these."""

LEFT_OUT = f"({'|'.join(ENDING)})$"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Few rows in a request: one more than allowed is then sent often, and never as megabytes."""
    with Server(tmp_path_factory.mktemp("schemathesis"), {"SLUICE_MAX_ROWS": "20"}) as running:
        yield running


def schemathesis(server: Server, folder: Path, *options: str, without: str = "") -> str:
    """What it prints. Fails when it finds anything, or warns that a part of the API was out of its reach."""
    program = Path(sys.executable).parent / "schemathesis"
    out = "|".join([*(f"{ending}$" for ending in ENDING), *([without] if without else [])])
    command = [str(program), "run", server.url + DOCUMENT, "--no-color", "--exclude-path-regex", out, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    shown = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, shown
    assert "WARNINGS" not in done.stdout, shown
    assert "No issues found" in done.stdout, shown
    return done.stdout


def operations(server: Server) -> int:
    """How many the document holds besides itself, which Schemathesis leaves out, and the one that ends everything."""
    paths = server.get(DOCUMENT).json()["paths"]
    tried = [item for path, item in paths.items() if path != DOCUMENT and not path.endswith(ENDING)]
    return sum(method in METHODS for item in tried for method in item)


def test_every_operation_with_made_up_data(small: Server, tmp_path: Path) -> None:
    told = schemathesis(small, tmp_path, "--phases", "examples,fuzzing,stateful", "--max-examples", "20", "--seed", "1")
    assert f"Tested: {operations(small)}\n" in told


def test_every_boundary(small: Server, tmp_path: Path) -> None:
    told = schemathesis(small, tmp_path, "--phases", "coverage", "--seed", "1", without=WIDE)
    assert int(told.partition(" generated, ")[0].split()[-1]) > 500


def test_the_document_is_stable(small: Server) -> None:
    assert small.get(DOCUMENT).body == small.get(DOCUMENT).body
