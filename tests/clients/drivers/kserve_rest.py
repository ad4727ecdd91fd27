"""kserve's InferenceRESTClient: health, JSON and binary inference, and what it makes of a refusal.

The task on standard input: ``url``, ``headers``, ``rows``. What was seen is printed as one line of JSON.
"""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig

MODEL = "identity"


def request_of(rows, binary):
    values = np.array(rows, dtype=np.float32)
    given = InferInput("X", list(values.shape), "FP32")
    given.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(MODEL, [given], request_id="id-1")


async def ask(task):
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    about = {"headers": task["headers"]}
    seen = {
        "live": await client.is_server_live(task["url"], **about),
        "ready": await client.is_server_ready(task["url"], **about),
        "model_ready": await client.is_model_ready(task["url"], MODEL, **about),
    }
    for binary in (True, False):
        headers = dict(task["headers"])
        answer = await client.infer(task["url"], request_of(task["rows"], binary), MODEL, headers=headers)
        output = answer.outputs[0]
        seen["binary" if binary else "json"] = {"Y": output.as_numpy().tolist(), "id": answer.id}
    try:
        await client.infer(task["url"], request_of([row[:3] for row in task["rows"]], False), MODEL, **about)
    except httpx.HTTPStatusError as error:
        seen["refusal"] = [error.response.status_code, str(error)]
    await client.close()
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(ask(json.load(sys.stdin)))) + "\n")
