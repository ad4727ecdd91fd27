"""kserve's InferenceGRPCClient: health, inference in both forms, and what it makes of a refusal.

The task on standard input: ``url`` (host:port), ``headers``, ``rows``. What was seen is printed as one line of JSON.
"""

import asyncio
import json
import sys

import numpy as np
from grpc import RpcError
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient

MODEL = "identity"


def request_of(rows, raw):
    values = np.array(rows, dtype=np.float32)
    given = InferInput("X", list(values.shape), "FP32")
    given.set_data_from_numpy(values, binary_data=raw)
    return InferRequest(MODEL, [given], request_id="id-1")


async def ask(task):
    about = {"headers": tuple(task["headers"].items())}
    async with InferenceGRPCClient(task["url"], retries=2) as client:
        seen = {
            "live": await client.is_server_live(**about),
            "ready": await client.is_server_ready(**about),
            "model_ready": await client.is_model_ready(MODEL, **about),
        }
        for raw in (True, False):
            answer = await client.infer(request_of(task["rows"], raw), **about)
            output = answer.outputs[0].as_numpy()
            seen["raw" if raw else "typed"] = {"Y": output.reshape(-1, 20).tolist(), "id": answer.id}
        try:
            await client.infer(request_of([row[:3] for row in task["rows"]], raw=True), **about)
        except RpcError as error:
            seen["refusal"] = [error.code().name, error.details()]
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(ask(json.load(sys.stdin)))) + "\n")
