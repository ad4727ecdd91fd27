"""Nobody waits for whoever reads the log: no request, no worker that is told to go, no master."""

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.gateway.audit import AuditLog
from app.telemetry.logs import Stderr
from app.telemetry.outlet import PATIENCE_S, Outlet
from tests.pipes import Pipe

LINE = b"x" * 250 + b"\n"


@contextmanager
def soon() -> Iterator[None]:
    """Fails what takes longer; a write that waits for ever is interrupted."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 2, 0.1)
    begun = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < PATIENCE_S + 1


def full(put: Callable[[bytes], bool]) -> int:
    """How many lines went before the first that did not."""
    return next(number for number in range(1000) if not put(LINE))


def test_room_that_others_took_meanwhile_is_not_waited_for(pipe: Pipe) -> None:
    """Threads and workers ask whether there is room, and then all of them write."""
    with soon():
        assert full(Outlet(pipe.into).put) > 10
    assert os.get_blocking(pipe.into), "others write there as they are used to"


def test_a_socket_is_not_waited_for_either() -> None:
    """As systemd gives one to what it starts."""
    ours, theirs = socket.socketpair()
    with ours, theirs, soon():
        assert full(Outlet(ours.fileno()).put) > 10


def test_after_a_line_that_broke_off_the_next_stands_alone(pipe: Pipe) -> None:
    outlet = Outlet(pipe.into)
    assert not outlet.offer(b"a" * 50_000 + b"\n")
    pipe.drain()
    assert outlet.offer(b"whole\n")
    assert pipe.drain() == b"\nwhole\n"
    assert outlet.offer(b"whole\n")
    assert pipe.drain() == b"whole\n"


def test_a_log_line_that_nobody_takes_holds_up_nobody_and_is_counted(pipe: Pipe) -> None:
    handler = Stderr(pipe.into)
    record = logging.makeLogRecord({"msg": "m" * 300})
    with soon():
        for _ in range(200):
            handler.emit(record)
    taken = pipe.drain().count(b"\n")
    handler.emit(record)
    assert pipe.drain().splitlines()[-1] == f"log_lines_lost: {200 - taken}".encode()


def test_an_audit_log_that_nobody_reads_holds_up_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit")
    log = AuditLog(tmp_path / "audit")
    with soon():
        log.record("predict", "denied", "somebody", "")
    assert log.health() == "down"
    reader = os.open(tmp_path / "audit", os.O_RDONLY | os.O_NONBLOCK)
    log.record("predict", "denied", "somebody", "")
    assert json.loads(os.read(reader, 65536))["result"] == "denied"
    assert log.health() == "up"
    with soon():
        for _ in range(1000):
            log.record("keys:write", "allowed", "somebody", "")
    assert log.health() == "down"
    os.close(reader)
