"""One worker's engine under load, in a process of its own.

    python -m app.tuning.process FOLDER NAME VERSION THREADS POOL CORE

Says ``ready`` once the model is loaded. Each line it is then given (rows of a run, seconds) is answered by one line of
JSON: how many runs there were and how long they took.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
import orjson

from app.registry.repository import Repository
from app.registry.version import ServedVersion
from app.runtimes.base import Runtime
from app.runtimes.onnx import OnnxRuntime
from app.tensors import Feed


def main() -> None:
    """Serve lines until there are none."""
    folder, name, version, threads, pool, core = sys.argv[1:]
    runtime, rows = _load(Path(folder), name, version, int(threads))
    if int(core) >= 0:
        os.sched_setaffinity(0, {int(core)})
    _say(b"ready")
    for line in sys.stdin:
        count, seconds = line.split()
        _say(orjson.dumps(_measured(runtime, _of_size(rows, int(count)), int(pool), float(seconds))))


def _load(folder: Path, name: str, version: str, threads: int) -> tuple[Runtime, Feed]:
    stored = Repository(folder).read(name, version)
    runtime = OnnxRuntime(stored.model, stored.external, threads)
    return runtime, ServedVersion(stored.manifest, runtime).golden_feed()


def _of_size(rows: Feed, count: int) -> Feed:
    return {name: np.resize(array, (count, *array.shape[1:])) for name, array in rows.items()}


def _measured(runtime: Runtime, feed: Feed, pool: int, seconds: float) -> dict[str, float]:
    """Runs of all threads; the first of each is for warming up."""
    if pool == 1:
        taken = [_runs(runtime, feed, seconds)]
    else:
        with ThreadPoolExecutor(pool) as threads:
            taken = list(threads.map(lambda _: _runs(runtime, feed, seconds), range(pool)))
    times = sorted(time for one in taken for time in one)
    return {
        "runs_per_s": sum(len(one) / sum(one) for one in taken),
        "p50": times[(len(times) - 1) // 2],
        "p95": times[-(-95 * len(times) // 100) - 1],
    }


def _runs(runtime: Runtime, feed: Feed, seconds: float) -> list[float]:
    runtime.run(feed)
    until = perf_counter() + seconds
    times: list[float] = []
    while not times or perf_counter() < until:
        started = perf_counter()
        runtime.run(feed)
        times.append(perf_counter() - started)
    return times


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
