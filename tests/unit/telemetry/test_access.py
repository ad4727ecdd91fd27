"""The access log never holds up or fails a request, whatever it is written to."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.state.ledger import Lines
from app.telemetry.access import PATIENCE_S, AccessLog, Answered

REQUEST = Answered("r-1", "POST", "/predict", 200, 0.0012345, "127.0.0.1", None)


class Pipe:
    """A small pipe, as of a container's log collector that has stopped reading."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe()
        fcntl.fcntl(self.into, fcntl.F_SETPIPE_SZ, 16384)

    def drain(self) -> bytes:
        return os.read(self.out, 1 << 20)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.out)
    os.close(made.into)


def test_one_line_of_json(tmp_path: Path) -> None:
    lost: list[None] = []
    with (tmp_path / "log").open("ab") as file:
        AccessLog(Lines(None), lambda: lost.append(None), file.fileno()).write(REQUEST, {"model": "churn"})
    line = json.loads((tmp_path / "log").read_text())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "r-1",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "duration_ms": 1.234,
        "client": "127.0.0.1",
        "caller": None,
        "model": "churn",
    }
    assert lost == []


def test_a_request_that_has_its_line_gets_no_second(pipe: Pipe) -> None:
    due = iter([True, True, False])

    class Told(Lines):
        def due(self, stands: Callable[[], bool]) -> bool:
            return next(due)

    log = AccessLog(Told(None), lambda: None, pipe.into)
    for name in ("a", "b", "a"):
        log.write(REQUEST._replace(request_id=name))
    assert [json.loads(line)["request_id"] for line in pipe.drain().splitlines()] == ["a", "b"]


class Doubtful(Lines):
    """A worker died while it wrote the line of whichever request asks."""

    def due(self, stands: Callable[[], bool]) -> bool:
        return not stands()


def test_a_line_that_a_dying_worker_wrote_is_found_in_the_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        AccessLog(Lines(None), lambda: None, file.fileno()).write(REQUEST)
        log = AccessLog(Doubtful(None), lambda: None, file.fileno())
        for name in ("r-1", "r-2"):
            log.write(REQUEST._replace(request_id=name))
    assert [json.loads(line)["request_id"] for line in (tmp_path / "log").read_text().splitlines()] == ["r-1", "r-2"]


def test_a_log_nobody_reads_holds_up_one_request_briefly_and_then_none(pipe: Pipe) -> None:
    lost: list[None] = []
    log = AccessLog(Lines(None), lambda: lost.append(None), pipe.into)
    begun = time.perf_counter()
    for _ in range(500):
        log.write(REQUEST)
    assert time.perf_counter() - begun < PATIENCE_S + 0.5
    assert lost
    read = len(pipe.drain().splitlines())
    assert read + len(lost) == 500
    log.write(REQUEST)
    assert len(pipe.drain().splitlines()) == 1, "it is written again as soon as there is room"


def test_a_full_disk_loses_lines_and_nothing_else() -> None:
    lost: list[None] = []
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        log = AccessLog(Lines(None), lambda: lost.append(None), descriptor)
        for _ in range(10):
            log.write(REQUEST)
    finally:
        os.close(descriptor)
    assert len(lost) == 10
