"""A model under load on this machine: as many processes as there would be workers, each with its threads."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import IO, Self, cast

import orjson

from app.runtimes.cpus import available_cpus

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

ROUNDS = 3
"""So many times each point is measured, and all other sizes in between: what disturbs one of them misses the others."""


class TuningFailed(Exception):
    """A process could not measure; the text says what it wrote last."""


@dataclass(frozen=True, slots=True)
class Setup:
    """``workers`` processes, each with ``pool`` threads that run the model, each run on ``threads`` of onnxruntime."""

    workers: int
    threads: int
    pool: int


@dataclass(frozen=True, slots=True)
class Load:
    """What came of runs of ``rows`` rows one after the other; ``p50`` and ``p95`` are seconds of a run."""

    setup: Setup
    rows: int
    rows_per_s: float
    p50: float
    p95: float


def setups(cpus: int | None = None) -> list[Setup]:
    """Every way to share out the processors by powers of two, none taken twice."""
    cpus = cpus or available_cpus()
    sizes = [1 << power for power in range(cpus.bit_length())]
    sizes += [cpus] if cpus not in sizes else []
    return [Setup(*found) for found in product(sizes, repeat=3) if found[0] * found[1] * found[2] <= cpus]


class Crew:
    """The processes of one setup, with the model loaded. Pinned as workers are, unless the pool is larger than 1."""

    def __init__(self, setup: Setup, folder: Path, name: str, version: str) -> None:
        self.setup = setup
        self._words = [str(folder.resolve()), name, version, str(setup.threads), str(setup.pool)]
        self._stack = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        cores = sorted(os.sched_getaffinity(0))
        pinned = self.setup.pool == 1 and len(cores) >= self.setup.workers
        with ExitStack() as stack:
            for number in range(self.setup.workers):
                self._processes.append(stack.enter_context(self._start(cores[number] if pinned else -1)))
                stack.callback(self._processes[-1].kill)
            for process in self._processes:
                _answer(process, b"ready")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, rows: int, seconds: float) -> Load:
        """All processes at once.

        Raises:
            TuningFailed
        """
        for process in self._processes:
            cast(IO[bytes], process.stdin).write(f"{rows} {seconds}\n".encode())
            cast(IO[bytes], process.stdin).flush()
        found = [orjson.loads(_answer(process)) for process in self._processes]
        total = rows * sum(one["runs_per_s"] for one in found)
        return Load(self.setup, rows, total, max(one["p50"] for one in found), max(one["p95"] for one in found))

    def _start(self, core: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "app.tuning.process", *self._words, str(core)]
        root = Path(__file__).resolve().parents[2]
        return subprocess.Popen(  # noqa: S603 - this interpreter and words of ours
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root
        )


def measure_all(
    folder: Path, name: str, version: str, found: list[Setup], seconds: float, most_s: float
) -> Iterator[Load]:
    """Every setup with every size, ``ROUNDS`` times; larger sizes are left out once a run takes ``most_s``.

    Raises:
        TuningFailed
    """
    for setup in found:
        with Crew(setup, folder, name, version) as crew:
            for _ in range(ROUNDS):
                yield from _round(crew, seconds / ROUNDS, most_s)


def _round(crew: Crew, seconds: float, most_s: float) -> Iterator[Load]:
    for rows in SIZES:
        load = crew.measure(rows, seconds)
        yield load
        if load.p50 > most_s:
            break


def undisturbed(loads: Iterable[Load]) -> list[Load]:
    """Of each point the quickest measurement: whatever else runs on a machine takes time away and never gives any."""
    best: dict[tuple[Setup, int], Load] = {}
    for load in loads:
        point = load.setup, load.rows
        best[point] = max(best.get(point, load), load, key=lambda one: one.rows_per_s)
    return list(best.values())


def _answer(process: "subprocess.Popen[bytes]", expected: bytes | None = None) -> bytes:
    line: bytes = cast(IO[bytes], process.stdout).readline().strip()
    if not line or expected not in (None, line):
        process.kill()
        words = cast(IO[bytes], process.stderr).read().decode(errors="replace").strip().splitlines()
        raise TuningFailed(words[-1] if words else "it ended without a word")
    return line
