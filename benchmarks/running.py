"""One contender's server: started on free ports, asked, loaded, measured and stopped."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.contenders.contender import Contender
from benchmarks.doors.door import AnswerWrong, Door, Load
from benchmarks.processes import cpu_s, end, free_port, memory_mib

START_LIMIT_S = 120.0
WRONG_LIMIT_S = 20.0
POLL_S = 0.02
TOLERANCE = 1e-4
PREPARE_LIMIT_S = 300.0

Sample = tuple[NDArray[Any], list[float]]


class ServerFailed(Exception):
    """It did not start, or does not answer what the model answers."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one contender did in one window. ``cpu_us`` is the server's processor time per request."""

    requests_per_s: float
    rows_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us: float
    errors: int


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at ``port``; its own words go to ``log``.

    ``ready_s`` is how long it took from its start to the first right answer, ``mib_at_start`` its memory then.
    """

    contender: Contender
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    ready_s: float = 0.0
    mib_at_start: float = 0.0

    def check(self, door: Door, sample: Sample) -> None:
        """One request; its numbers must be the model's.

        Raises:
            ServerFailed: it answers with an error, or other numbers.
            OSError: no answer.
        """
        values, expected = sample
        try:
            given = door.ask(self.port, values)
        except AnswerWrong as error:
            raise ServerFailed(f"{self.contender.name}: {error}") from None
        if not _alike(given, expected):
            raise ServerFailed(f"{self.contender.name} answered other numbers than the model gives")

    def window(self, door: Door, load: Load) -> Window:
        """One window of load.

        Raises:
            LoadFailed
        """
        before = cpu_s(self.process.pid)
        seen = door.load(self.port, load)
        cpu = cpu_s(self.process.pid) - before
        return Window(
            requests_per_s=seen.requests_per_s,
            rows_per_s=seen.requests_per_s * load.rows,
            p50_ms=seen.p50_ms,
            p95_ms=seen.p95_ms,
            p99_ms=seen.p99_ms,
            cpu_us=cpu / max(seen.requests, 1) * 1e6,
            errors=seen.errors,
        )

    def memory_mib(self) -> float:
        """What its processes hold together."""
        return memory_mib(self.process.pid)

    def stop(self) -> None:
        """All of it."""
        end(self.process)


def prepare(contender: Contender, folder: Path) -> None:
    """What is to be done once before its first start.

    Raises:
        ServerFailed: with what it said.
    """
    if not contender.prepare:
        return
    done = subprocess.run(
        [contender.python, *contender.prepare],
        cwd=contender.folder,
        env=contender.surroundings({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=PREPARE_LIMIT_S,
    )
    (folder / f"{contender.name}-prepare.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise ServerFailed(f"its preparation failed: {_last_line(done.stderr)}")


def start(contender: Contender, door: Door, sample: Sample, folder: Path) -> Running:
    """Start it and wait until it answers correctly.

    Raises:
        ServerFailed: it ended, or took too long.
    """
    ports = {variable: str(free_port()) for variable in contender.ports}
    log = folder / f"{contender.name}.log"
    began = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            contender.argv(ports),
            cwd=contender.folder,
            env=contender.surroundings(ports),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    running = Running(contender, process, int(ports[contender.ports[0]]), log)
    try:
        _await(running, door, sample)
    except BaseException:
        running.stop()
        raise
    return Running(contender, process, running.port, log, time.monotonic() - began, running.memory_mib())


def _await(running: Running, door: Door, sample: Sample) -> None:
    """A server may answer wrongly for a while: some listen before their model is loaded."""
    until, first_answer = time.monotonic() + START_LIMIT_S, 0.0
    while time.monotonic() < until and running.process.poll() is None:
        try:
            return running.check(door, sample)
        except OSError:
            time.sleep(POLL_S)
        except ServerFailed:
            first_answer = first_answer or time.monotonic()
            if time.monotonic() > first_answer + WRONG_LIMIT_S:
                raise
            time.sleep(POLL_S)
    reason = _last_line(running.log.read_text(errors="replace"))
    raise ServerFailed(f"it did not start: {reason}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _alike(given: Sequence[float], expected: Sequence[float]) -> bool:
    return len(given) == len(expected) and all(
        abs(one - two) <= TOLERANCE for one, two in zip(given, expected, strict=True)
    )
