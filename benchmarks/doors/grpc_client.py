"""The load for gRPC: one process of callers, each with a call under way until time is up; figures as one JSON line.

Arguments: port, model, seconds, callers, and a number that picks rows which no other window sends. Messages are made
before the clock starts, so that the client costs as little as a Python client can.
"""

import asyncio
import json
import sys
from itertools import cycle
from time import perf_counter

import grpc
import numpy as np

from benchmarks.doors.grpc import METHOD, infer_request
from benchmarks.rows import FEATURES

MESSAGES = 4000


def messages(model: str, number: int) -> list[bytes]:
    """One row each, all different."""
    rows = np.random.default_rng(number).normal(size=(MESSAGES, 1, FEATURES)).astype("<f4")
    return [infer_request(model, row) for row in rows]


async def load(port: int, model: str, seconds: float, callers: int, number: int) -> dict[str, float]:
    """What these callers saw."""
    waiting, taken, errors = cycle(messages(model, number)), list[float](), 0
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(callers)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    started = perf_counter()

    async def call(channel: grpc.aio.Channel) -> None:
        nonlocal errors
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        while (begun := perf_counter()) < started + seconds:
            try:
                await ask(next(waiting))
                taken.append(perf_counter() - begun)
            except grpc.RpcError:
                errors += 1

    await asyncio.gather(*map(call, channels))
    lasted = perf_counter() - started
    await asyncio.gather(*(channel.close() for channel in channels))
    p50, p95, p99 = np.percentile(taken or [0.0], [50, 95, 99]) * 1000
    figures = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "errors": errors}
    return {"requests": len(taken), "requests_per_s": len(taken) / lasted, **figures}


if __name__ == "__main__":
    told = asyncio.run(load(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
    sys.stdout.write(json.dumps(told) + "\n")
