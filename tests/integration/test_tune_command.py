"""``models tune``: real processes, a table, a picture, and one value in the deployment file."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from app.registry.repository import Repository
from config.deployment import load_deployment
from tests.command_line import CommandLine
from tests.models import identity, weighty

QUICK = ("--seconds", "0.02")
COMMENTED = """# What the operator thinks of it.
default_model: weighty
models:  # all of them
  other: {timeout_ms: 5}  # in a hurry
"""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A net of 64 MiB, too large for a core's cache: one row reads it all. A small net. A model without golden rows."""
    folder = tmp_path_factory.mktemp("tune")
    repository = Repository(folder / "models")
    weighty(2048, 4).add(repository)
    weighty(64, 1, name="light").add(repository)
    identity(2).add(repository)
    deployment = folder / "deployment.yaml"
    deployment.write_text(COMMENTED)
    return CommandLine(folder / "models", settings={"SLUICE_DEPLOYMENT_FILE": str(deployment)})


def test_it_measures_proposes_draws_and_writes(tuned: CommandLine, tmp_path: Path) -> None:
    picture = tmp_path / "weighty.svg"
    words = ("models", "tune", "weighty", "--slo-p95", "400ms", "--plot", picture, "--write", "--json", *QUICK)
    told = tuned.run(*words).json()
    measured = {(one["workers"], one["threads"], one["pool"], one["batch"]): one for one in told["measured"]}
    assert {batch for *setup, batch in measured if setup == [1, 1, 1]} == {1, 2, 4, 8, 16, 32, 64, 128}
    assert all(0 < one["p50_ms"] <= one["p95_ms"] for one in measured.values())
    proposal = told["proposal"]
    assert proposal["objective_met"]
    assert proposal["p95_ms"] <= 400
    assert proposal["max_batch_size"] > 1, "reading the weights once for all rows pays"
    assert proposal["environment"]["WEB_CONCURRENCY"] == str(proposal["workers"])
    assert ET.parse(picture).getroot().tag.endswith("svg")
    path = Path(tuned.settings["SLUICE_DEPLOYMENT_FILE"])
    chosen = load_deployment(path).models["weighty"].batching
    assert (chosen.mode, chosen.max_batch_size) == ("auto", proposal["max_batch_size"])
    assert chosen.latency_objective_ms == 200
    text = path.read_text()
    assert all(line in text for line in COMMENTED.splitlines())


def test_people_get_a_table_and_lines_to_paste(tuned: CommandLine) -> None:
    done = tuned.run("models", "tune", "light", "v1", "--slo-p95", "0.0001ms", *QUICK)
    assert done.status == 0, done.err
    assert done.out.startswith("WORKERS  THREADS  POOL  BATCH")
    assert done.out.count("<--") == 1
    assert "  WEB_CONCURRENCY=" in done.out
    assert "models:\n  light:\n    batching: {mode: auto," in done.out
    assert "Nothing that was measured keeps p95 under 0.0001 ms" in done.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("identity",), "no golden rows"),
        (("nobody",), "There is no model 'nobody'"),
        (("weighty", "--slo-p95", "soon"), "is no time"),
        (("weighty", "--plot", "picture.png"), "ends in .svg"),
        (("weighty", "--plot", "none/picture.svg"), "there is no folder none"),
    ],
    ids=str,
)
def test_what_cannot_be_tuned_is_said(tuned: CommandLine, words: tuple[str, ...], expected: str) -> None:
    done = tuned.run("models", "tune", *words)
    assert done.status != 0
    assert expected in done.out + done.err
