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

from app.rpc.protocol.open_inference_pb2 import ModelInferRequest

FEATURES = 20
MESSAGES = 4000
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def messages(model: str, number: int) -> list[bytes]:
    """One row each, all different."""
    rows = np.random.default_rng(number).normal(size=(MESSAGES, 1, FEATURES)).astype("<f4")
    made = []
    for row in rows:
        asked = ModelInferRequest(model_name=model, raw_input_contents=[row.tobytes()])
        asked.inputs.add(name="X", datatype="FP32", shape=row.shape)
        made.append(asked.SerializeToString())
    return made


async def load(port: int, model: str, seconds: float, callers: int, number: int) -> dict[str, float]:
    """Requests, errors, microseconds of the window and of its slow answers."""
    waiting, taken, errors = cycle(messages(model, number)), list[float](), 0
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(callers)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    started = perf_counter()

    async def call(channel: grpc.aio.Channel) -> None:
        nonlocal errors
        ask = channel.unary_unary(METHOD)
        while (begun := perf_counter()) < started + seconds:
            try:
                await ask(next(waiting))
                taken.append(perf_counter() - begun)
            except grpc.RpcError:
                errors += 1

    await asyncio.gather(*map(call, channels))
    lasted = perf_counter() - started
    await asyncio.gather(*(channel.close() for channel in channels))
    p50, p99 = np.percentile(taken or [0.0], [50, 99]) * 1000
    return {"requests": len(taken), "errors": errors, "seconds": lasted, "p50_ms": p50, "p99_ms": p99}


if __name__ == "__main__":
    told = asyncio.run(load(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
    sys.stdout.write(json.dumps(told) + "\n")
