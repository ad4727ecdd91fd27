"""One contender's server process: started on a free port, checked, clocked, and stopped by its own pid."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.contenders import WORKERS, Contender
from benchmarks.workload import Workload

START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
TOLERANCE = 1e-5


class ServerFailed(Exception):
    """It did not start, or does not answer what the model answers."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at ``port``; its own words go to ``log``."""

    contender: Contender
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def check(self, workload: Workload, rows: int) -> None:
        """One request; its numbers must be the model's.

        Raises:
            ServerFailed: another status, or other numbers.
            OSError: no answer.
        """
        body, expected = workload.sample(rows)
        status, answer = self._post(self.contender.path(rows), body)
        if status != 200:
            raise ServerFailed(f"{self.contender.name} answered {status}: {answer[:300]!r}")
        given = self.contender.read(orjson.loads(answer))
        if len(given) != rows or any(abs(one - two) > TOLERANCE for one, two in zip(given, expected, strict=True)):
            raise ServerFailed(f"{self.contender.name} answered other numbers than the model gives")

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", **self.contender.headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def cpu_s(self) -> float:
        """Processor time its processes have taken so far."""
        return sum(_cpu_s(pid) for pid in _family(self.process.pid))

    def stop(self) -> None:
        """TERM, and KILL when it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(contender: Contender, workload: Workload, rows: int, folder: Path) -> Running:
    """Start it and wait until it answers correctly.

    Raises:
        ServerFailed: it ended, or took too long.
    """
    port, log = free_port(), folder / f"{contender.name}.log"
    variables = {"PORT": str(port), "WEB_CONCURRENCY": str(WORKERS), "ORT_DISABLE_TELEMETRY": "1"}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            contender.argv(),
            cwd=contender.folder,
            env={**os.environ, **variables, **contender.variables},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    running = Running(contender, process, port, log)
    try:
        _await(running, workload, rows)
    except BaseException:
        running.stop()
        raise
    return running


def _await(running: Running, workload: Workload, rows: int) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        if running.process.poll() is not None:
            break
        try:
            return running.check(workload, rows)
        except OSError:
            time.sleep(0.1)
    raise ServerFailed(f"{running.contender.name} did not start:\n{running.log.read_text(errors='replace')[-1500:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _family(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
