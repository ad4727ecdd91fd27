"""onnxruntime and nothing else: as many pinned processes as everyone has, each running batches in a loop when told to.

Listens on PORT for lines of JSON: ``{"sample": rows}`` is answered with the second class's probabilities, and
``{"rows": N, "seconds": S}`` with what all processes together did in that time.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
from itertools import cycle
from time import perf_counter

import numpy as np
from core import take_core
from model import Model

BATCHES = 64


def work(pipe):
    """One process."""
    take_core()
    model = Model()
    while True:
        asked = pipe.recv()
        if "sample" in asked:
            pipe.send(model.run(np.asarray(asked["sample"], dtype=np.float32))[1][:, 1].tolist())
        else:
            pipe.send(taken(model, asked["rows"], asked["seconds"]))


def taken(model, rows, seconds):
    """Seconds of each run until time is up."""
    random = np.random.default_rng(os.getpid())
    batches = cycle([random.normal(size=(rows, 20)).astype(np.float32) for _ in range(BATCHES)])
    ended = started = perf_counter()
    times = []
    while ended < started + seconds:
        begun = perf_counter()
        model.run(next(batches))
        ended = perf_counter()
        times.append(ended - begun)
    return times


def figures(all_times):
    """What is answered for a window; the rate is that of the runs, each process's added up."""
    together = np.sort(np.concatenate(all_times))
    p50, p95, p99 = (np.percentile(together, [50, 95, 99]) * 1000).tolist()
    return {
        "requests": len(together),
        "requests_per_s": sum(len(times) / sum(times) for times in all_times),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "errors": 0,
    }


def answer(pipes, asked):
    """One line's answer."""
    if "sample" in asked:
        pipes[0].send(asked)
        return pipes[0].recv()
    for pipe in pipes:
        pipe.send(asked)
    return figures([pipe.recv() for pipe in pipes])


def main():
    """Until TERM."""
    pipes = []
    for _ in range(int(os.environ["WEB_CONCURRENCY"])):
        near, far = multiprocessing.Pipe()
        multiprocessing.Process(target=work, args=(far,), daemon=True).start()
        pipes.append(near)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
        while True:
            caller, _ = listener.accept()
            with caller, caller.makefile("rw") as lines:
                for line in lines:
                    lines.write(json.dumps(answer(pipes, json.loads(line))) + "\n")
                    lines.flush()


if __name__ == "__main__":
    main()
