"""The access log never holds up or fails a request, whatever it is written to."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import passage
from app.state.ledger import Lines
from app.telemetry.access import AccessLog, Answered
from app.telemetry.metrics import Facts
from app.telemetry.outlet import PATIENCE_S
from tests.pipes import Pipe

REQUEST = Answered("POST", "/predict", 200, "127.0.0.1", None)


def test_one_line_of_json(tmp_path: Path) -> None:
    lost: list[None] = []
    with (tmp_path / "log").open("ab") as file:
        AccessLog(Lines(None), lambda: lost.append(None), file.fileno()).write(
            "r-1", 0.0012345, REQUEST._replace(facts=Facts("churn", rows=3))
        )
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
        "rows": 3,
    }
    assert lost == []


@pytest.fixture
def asked_by_proxy() -> Iterator[None]:
    """A proxy that may ask again gave the request a number."""
    passage.begin("0123456789abcdef" * 2)
    yield
    passage.begin(None)


@pytest.mark.usefixtures("asked_by_proxy")
def test_a_request_that_has_its_line_gets_no_second(pipe: Pipe) -> None:
    due = iter([True, True, False])

    class Told(Lines):
        def due(self, stands: Callable[[], bool]) -> bool:
            return next(due)

    log = AccessLog(Told(None), lambda: None, pipe.into)
    for name in ("a", "b", "a"):
        log.write(name, 0.001, REQUEST)
    assert [json.loads(line)["request_id"] for line in pipe.drain().splitlines()] == ["a", "b"]


class Doubtful(Lines):
    """A worker died while it wrote the line of whichever request asks."""

    def due(self, stands: Callable[[], bool]) -> bool:
        return not stands()


@pytest.mark.usefixtures("asked_by_proxy")
def test_a_line_that_a_dying_worker_wrote_is_found_in_the_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        AccessLog(Lines(None), lambda: None, file.fileno()).write("r-1", 0.001, REQUEST)
        log = AccessLog(Doubtful(None), lambda: None, file.fileno())
        for name in ("r-1", "r-2"):
            log.write(name, 0.001, REQUEST)
    assert [json.loads(line)["request_id"] for line in (tmp_path / "log").read_text().splitlines()] == ["r-1", "r-2"]


def test_a_log_nobody_reads_holds_up_one_request_briefly_and_then_none(pipe: Pipe) -> None:
    lost: list[None] = []
    log = AccessLog(Lines(None), lambda: lost.append(None), pipe.into)
    begun = time.perf_counter()
    for _ in range(500):
        log.write("r-1", 0.001, REQUEST)
    assert time.perf_counter() - begun < PATIENCE_S + 0.5
    assert lost
    read = len(pipe.drain().splitlines())
    assert read + len(lost) == 500
    log.write("r-1", 0.001, REQUEST)
    assert len(pipe.drain().splitlines()) == 1, "it is written again as soon as there is room"


def test_a_full_disk_loses_lines_and_nothing_else() -> None:
    lost: list[None] = []
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        log = AccessLog(Lines(None), lambda: lost.append(None), descriptor)
        for _ in range(10):
            log.write("r-1", 0.001, REQUEST)
    finally:
        os.close(descriptor)
    assert len(lost) == 10
