"""``flask --app wsgi cache`` and scripts/warm_cache.py against a running server with keys and roles."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.caching import deployment
from tests.client import Answer
from tests.command_line import CommandLine, Outcome
from tests.models import everything, linear
from tests.programs import ROOT, free_port
from tests.servers import Server

KEY = "bootstrap-key-of-this-test"
AUTH = {"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": KEY}
GOOD: dict[str, Any] = {
    "age": 30.5, "income": 5.5, "score": 0.5, "visits": 3, "member": True, "count": 4, "city": "Oslo", "note": "x",
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "models").mkdir()
    for model in (linear(), everything(), linear(name="off")):
        model.add(Repository(folder / "models"))
    env = deployment(folder, "cache: {l1: on}\nmodels: {'off': {cache: {l1: off}}}\n")
    with Server(folder, AUTH | env, folder / "models") as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, guarded: Server, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("SLUICE_URL", guarded.url)
    monkeypatch.setenv("SLUICE_API_KEY", KEY)
    return CommandLine(tmp_path / "models", settings={"SLUICE_AUTH": "off", "SLUICE_DATA_DIR": str(tmp_path / "var")})


def _warm(command: CommandLine, file: Path, *words: str, model: str = "linear") -> Any:
    return command.run("cache", "warm", file, "--model", model, "--json", *words).json()


def _predict(server: Server, model: str, features: object) -> Answer:
    return server.post(f"/v1/models/{model}/predict", {"features": features}, {"X-API-Key": KEY})


def _source(server: Server, model: str, features: object) -> str:
    return _predict(server, model, features).headers["x-cache"]


def _lines(path: Path, *objects: object) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in objects), encoding="utf-8")
    return path


def test_stats_are_a_table_and_json(command: CommandLine, guarded: Server) -> None:
    for _ in range(3):
        _predict(guarded, "linear", [90, 1])
    told = command.run("cache", "stats", "--json").json()
    assert told["cache_hits"] >= 2
    shown = command.run("cache", "stats").out
    assert "hit rate:" in shown
    assert [line for line in shown.splitlines() if line.split()[:3] == ["linear", "v1", "l1"]]
    assert "forced on in the deployment file" in shown


def test_clear_asks_first(command: CommandLine, guarded: Server) -> None:
    _predict(guarded, "linear", [91, 1])
    assert command.run("cache", "clear").status != 0
    assert _source(guarded, "linear", [91, 1]) == "hit-l1"
    assert "Cleared" in command.run("cache", "clear", "--yes").out
    assert _source(guarded, "linear", [91, 1]) == "miss"
    assert command.run("cache", "clear", "--yes", "--json").json() == {"cleared": True}


def test_bodies_in_all_their_forms_are_warmed(command: CommandLine, guarded: Server, tmp_path: Path) -> None:
    file = _lines(
        tmp_path / "bodies.jsonl",
        {"features": [1, 1]},
        {"features": {"f1": 1, "f0": 2}},
        {"instances": [[3, 1], [4, 1]]},
        {"instances": [{"features": {"f0": 5, "f1": 1}}, {"f0": 6, "f1": 1}]},
        {"columns": {"f0": [7, 8], "f1": [1, 1]}},
        {"f0": 9, "f1": 1},
        [10, 1],
    )
    told = _warm(command, file)
    assert (told["read"], told["distinct"], told["warmed"], told["refused"]) == (10, 10, 10, 0)
    assert (told["model"], told["version"], told["tiers"]) == ("linear", "v1", ["l1"])
    assert {_source(guarded, "linear", [row, 1]) for row in range(1, 11)} == {"hit-l1"}


def test_the_most_frequent_inputs_of_a_log_are_chosen(command: CommandLine, guarded: Server, tmp_path: Path) -> None:
    often, rarely, never = [21, 1], [22, 1], [23, 1]
    record = {"model": "linear", "version": "v1", "at": "2026-11-22T10:00:00Z", "prediction": 3.5}
    file = _lines(
        tmp_path / "predictions.log",
        *[record | {"features": {"f1": row[1], "f0": row[0]}} for row in [never, often, rarely, often, rarely, often]],
        record | {"model": "another", "features": {"x": 1}},
    )
    told = _warm(command, file, "--top", "2")
    assert (told["read"], told["distinct"], told["warmed"]) == (6, 2, 2)
    assert [_source(guarded, "linear", row) for row in (often, rarely, never)] == ["hit-l1", "hit-l1", "miss"]


def test_a_csv_file_is_read_by_the_models_own_types(command: CommandLine, guarded: Server, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(
        "\ufeffcustomer_id,age,income,score,visits,member,count,city,note\n"
        "C-1,30.5,5.5,0.5,3,true,4,Oslo,x\n"
        'C-2,31,,,3.0,0,4,Bern,"two, words"\n',
        encoding="utf-8",
    )
    told = _warm(command, file, model="everything")
    assert (told["read"], told["warmed"], told["refused"]) == (2, 2, 0)
    assert _source(guarded, "everything", GOOD) == "hit-l1"
    other = GOOD | {"age": 31, "income": None, "score": None, "member": False, "city": "Bern", "note": "two, words"}
    assert _source(guarded, "everything", other) == "hit-l1"


def test_rows_that_do_not_fit_are_left_out_and_counted(command: CommandLine, guarded: Server, tmp_path: Path) -> None:
    bad = [{"f0": "x", "f1": 1}, {"f0": None, "f1": 1}] + [{"f0": row, "f1": "y"} for row in range(30)]
    file = _lines(tmp_path / "mixed.jsonl", *bad, *[{"features": {"f0": row, "f1": 2}} for row in range(30)])
    told = _warm(command, file, "--batch", "50")
    assert (told["warmed"], told["refused"]) == (30, 32)
    assert "f0" in told["example"]
    assert _source(guarded, "linear", [29, 2]) == "hit-l1"


def test_a_version_can_be_named(command: CommandLine, tmp_path: Path) -> None:
    file = _lines(tmp_path / "bodies.jsonl", {"features": [1, 1]})
    assert _warm(command, file, "--version", "v1")["version"] == "v1"
    failed = command.run("cache", "warm", file, "--model", "linear", "--version", "v7")
    assert failed.status == 1
    assert "has no version 'v7'" in failed.err


def test_where_caching_is_off_the_command_says_so(command: CommandLine, tmp_path: Path) -> None:
    file = _lines(tmp_path / "bodies.jsonl", {"features": [1, 1]})
    shown = command.run("cache", "warm", file, "--model", "off").out
    assert "Caching is off for this model" in shown


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("{]\n", "a.jsonl", "line 1: no JSON"),
        ('{"features": [1, 2]}\n{"at": 1}\n', "a.jsonl", "line 2: holds neither features nor instances"),
        ("a,b\n1,2\n", "a.csv", "no column is a feature of linear"),
        ("f0,f1\n1,two\n", "a.csv", "line 2, f1: 'two' is no float32"),
        ("", "a.csv", "no column is a feature"),
        ("PAR1\udc80\udcff", "a.parquet", "CSV or JSON lines in UTF-8"),
        ("f0,f1\n" + "1" * 200_000, "a.csv", "field larger than field limit"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(
    command: CommandLine, tmp_path: Path, content: str, name: str, words: str
) -> None:
    file = tmp_path / name
    file.write_text(content, "utf-8", "surrogateescape")
    failed = command.run("cache", "warm", file, "--model", "linear")
    assert failed.status == 1
    assert words in failed.err


def test_errors_say_what_to_do(command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _lines(tmp_path / "bodies.jsonl", {"features": [1, 1]})
    assert "GET /v1/models lists" in command.run("cache", "warm", file, "--model", "none").err
    monkeypatch.setenv("SLUICE_API_KEY", "")
    assert "Set SLUICE_API_KEY" in command.run("cache", "stats").err
    monkeypatch.setenv("SLUICE_URL", f"http://127.0.0.1:{free_port()}")
    assert "SLUICE_URL its address" in command.run("cache", "stats").err
    monkeypatch.setenv("SLUICE_URL", "localhost:8000")
    assert "is no address" in command.run("cache", "stats").err


def test_a_role_that_may_not_is_told(
    command: CommandLine, guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CommandLine(tmp_path / "models", settings={**AUTH, "SLUICE_DATA_DIR": str(guarded.folder / "var")})
    viewer = store.run("keys", "create", "--name", "viewer", "--role", "viewer", "--json").json()["key"]
    monkeypatch.setenv("SLUICE_API_KEY", viewer)
    for _ in range(100):
        seen = command.run("cache", "stats", "--json")
        if seen.status == 0:
            break
    assert seen.status == 0, seen.err
    refused = command.run("cache", "clear", "--yes")
    assert refused.status == 1
    assert "role that may not do this" in refused.err


def _script(file: Path, url: str, *words: str) -> Outcome:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "warm_cache.py", file, "--url", url, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SLUICE_API_KEY": KEY},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_the_script_does_the_same_from_anywhere(guarded: Server, tmp_path: Path) -> None:
    file = _lines(tmp_path / "bodies.jsonl", *[{"features": [row, 9]} for row in range(40)])
    done = _script(file, guarded.url, "--model", "linear", "--top", "30", "--batch", "7")
    assert done.status == 0, done.err
    assert "40 rows read, 30 of them distinct and chosen" in done.out
    assert "30 remembered in l1" in done.out
    assert "each worker remembers for itself" in done.out
    assert _stats(guarded)["warmed"] >= 30


def _stats(server: Server) -> dict[str, Any]:
    told = server.get("/cache-stats", {"X-API-Key": KEY}).json()
    (found,) = [item for item in told["models"] if item["model"] == "linear"]
    return dict(found)
