"""``flask traffic`` and ``flask rollout`` against a running server with keys, and what they print on a terminal."""

import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen
from time import monotonic

import pytest

from app.registry.repository import Repository
from tests.command_line import CommandLine
from tests.models import linear
from tests.programs import ROOT
from tests.servers import Server

ADMIN = "admin-key-for-the-tests-0123456789"


@pytest.fixture
def running(tmp_path: Path, repository: Repository) -> Iterator[Server]:
    for version in ("v1", "v2"):
        linear(version=version).add(repository)
    (tmp_path / "server").mkdir()
    env = {"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": ADMIN}
    with Server(tmp_path / "server", env, repository.root) as server:
        yield server


@pytest.fixture
def shell(running: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("SLUICE_URL", running.url)
    monkeypatch.setenv("SLUICE_API_KEY", ADMIN)
    return CommandLine(repository.root).but(SLUICE_AUTH="off")


def test_traffic_is_set_shown_and_taken_back(shell: CommandLine, running: Server) -> None:
    first = shell.run("traffic", "set", "linear", "v1=100", "--note", "before the rollout")
    assert first.out == "linear: v1 100 % (generation 1).\n", first.err
    split = shell.run("traffic", "set", "linear", "v1=90", "v2=10", "--variant", "v2=new", "--unit", "header", "--json")
    assert split.json()["variants"] == {"v2": "new"}
    shown = shell.run("traffic", "show", "linear")
    lines = shown.out.splitlines()
    assert lines[0].startswith("linear  generation 2  sticks to header X-Unit-ID")
    assert lines[1].split("  ")[0] == "version"
    assert [line.split()[:3] for line in lines[2:]] == [["v1", "-", "90"], ["v2", "new", "10"]]
    late = shell.run("traffic", "set", "linear", "v2=100", "--generation", "1")
    assert late.status == 1
    assert "is at generation 2, not 1 (409)" in late.err
    assert shell.run("traffic", "rollback", "linear").out == "linear: v1 100 % (generation 3).\n"
    audit = (running.folder / "var" / "audit.jsonl").read_text()
    assert '"action":"traffic:set"' in audit
    assert '"action":"traffic:rollback"' in audit


def test_a_rollout_from_start_to_history(shell: CommandLine) -> None:
    shell.run("traffic", "set", "linear", "v1=100")
    assert shell.run("rollout", "status", "linear").out == "No rollout of linear yet.\n"
    started = shell.run("rollout", "start", "linear", "v2", "--steps", "5,50", "--interval", "5m")
    assert started.out.startswith("linear  v1 -> v2  running  step 1 of 2 at 5 %\n"), started.err
    status = shell.run("rollout", "status", "linear")
    assert "now: hold  0 requests of stable and 0 requests of canary, 100 are needed" in status.out
    assert shell.run("rollout", "promote", "linear").out.startswith("linear  v1 -> v2  promoted")
    history = shell.run("rollout", "history", "linear", "--json").json()
    assert [item["state"] for item in history["history"]] == ["promoted"]
    assert shell.run("rollout", "abort", "linear").status == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["traffic", "set", "linear", "v1"], "write VERSION=VALUE"),
        (["traffic", "set", "linear", "v1=many"], "write VERSION=PERCENT"),
        (["traffic", "set", "linear", "v1=50"], "sum to 100"),
        (["traffic", "set", "linear", "v7=100"], "has no version 'v7'"),
        (["traffic", "show", "nothing"], "no model 'nothing'"),
        (["rollout", "start", "linear", "v2", "--steps", "five"], "5,25,50"),
        (["traffic", "show", "linear", "--url", "http://127.0.0.1:9"], "is the server running"),
        (["traffic", "show", "linear", "--url", "file:///etc"], "is no address of a server"),
        (["traffic", "show", "linear", "--api-key", "wrong"], "Set SLUICE_API_KEY"),
    ],
)
def test_mistakes_are_one_sentence(shell: CommandLine, words: list[str], said: str) -> None:
    outcome = shell.run(*words)
    assert outcome.status in (1, 2)
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_on_a_terminal_the_table_is_drawn_again_and_again(shell: CommandLine) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, **shell.environment, "TERM": "xterm"}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "traffic", "show", "linear"]
    with Popen(command, cwd=ROOT, env=env, stdin=DEVNULL, stdout=theirs, stderr=theirs) as watching:
        os.close(theirs)
        seen, end = b"", monotonic() + 60
        while seen.count(b"generation 0") < 3 and monotonic() < end:
            seen += os.read(ours, 4096)
        watching.terminate()
    os.close(ours)
    assert seen.count(b"\x1b[2J") >= 3
    assert b"Ctrl-C ends." in seen
