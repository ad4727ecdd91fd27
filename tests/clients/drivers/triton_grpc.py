"""tritonclient.grpc, sync and asyncio: what it can ask of a server of the standard protocol.

The task on standard input: ``url`` (host:port), ``headers`` (a name with its value), ``rows`` (lists of 20 numbers),
``texts`` (a row of the model with several inputs). What was seen is printed as one line of JSON.
"""

import asyncio
import json
import sys
from queue import Queue

import numpy as np
from google.protobuf.json_format import MessageToDict
from tritonclient import grpc
from tritonclient.grpc import aio, service_pb2
from tritonclient.utils import InferenceServerException

MATRIX, SEVERAL = "identity", "everything"
SHARED = (
    "ServerMetadataResponse",
    "ModelReadyRequest",
    "ModelMetadataResponse",
    "ModelInferRequest",
    "ModelInferResponse",
    "InferParameter",
    "InferTensorContents",
)


def tensor(module, name, kind, array):
    made = module.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array)
    return made


def matrix_inputs(module, rows):
    return [tensor(module, "X", "FP32", np.array(rows, dtype=np.float32))]


def several_inputs(module, row):
    return [
        tensor(module, "X", "FP32", np.array([row["X"]], dtype=np.float32)),
        tensor(module, "N", "INT64", np.array([[row["N"]]], dtype=np.int64)),
        tensor(module, "city", "BYTES", np.array([[row["city"]]], dtype=object)),
        tensor(module, "note", "BYTES", np.array([[row["note"]]], dtype=object)),
    ]


def listed(result, name):
    values = result.as_numpy(name)
    if values.dtype.kind in "OS":
        return [[item.decode() if isinstance(item, bytes) else item for item in row] for row in values.tolist()]
    return values.tolist()


def refusal(ask):
    try:
        ask()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def at_once(client, task, calls):
    """The callback way: several calls under way, answers in any order."""
    done = Queue()
    for _ in range(calls):
        client.async_infer(
            MATRIX,
            matrix_inputs(grpc, task["rows"]),
            lambda result, error: done.put((result, error)),
            headers=task["headers"],
        )
    answers = [done.get(timeout=30) for _ in range(calls)]
    return [str(error) if error else listed(result, "Y") for result, error in answers]


def ask_everything(task):
    about = {"headers": task["headers"]}
    rows = task["rows"]
    with grpc.InferenceServerClient(task["url"]) as client:
        seen = {
            "live": client.is_server_live(**about),
            "ready": client.is_server_ready(**about),
            "model_ready": client.is_model_ready(MATRIX, "v1", **about),
            "stranger_ready": client.is_model_ready("nothing", **about),
            "server": MessageToDict(client.get_server_metadata(**about)),
            "metadata": MessageToDict(client.get_model_metadata(MATRIX, **about)),
        }
        outputs = [grpc.InferRequestedOutput("Y")]
        result = client.infer(MATRIX, matrix_inputs(grpc, rows), "v1", outputs=outputs, request_id="id-1", **about)
        seen["infer"] = {"Y": listed(result, "Y"), "id": result.get_response().id}
        result = client.infer(SEVERAL, several_inputs(grpc, task["texts"]), **about)
        seen["several"] = {name: listed(result, name) for name in ("Y", "T")}
        for way in ("gzip", "deflate"):
            result = client.infer(MATRIX, matrix_inputs(grpc, rows), compression_algorithm=way, **about)
            seen[way] = listed(result, "Y")
        result = client.infer(MATRIX, matrix_inputs(grpc, rows), client_timeout=20, priority=1, **about)
        seen["with_timeout"] = listed(result, "Y")
        seen["async_infer"] = at_once(client, task, 4)
        narrow = matrix_inputs(grpc, [row[:3] for row in rows])
        seen["refusal"] = refusal(lambda: client.infer(MATRIX, narrow, **about))
        seen["no_key"] = refusal(lambda: client.infer(MATRIX, matrix_inputs(grpc, rows)))
        seen["not_there"] = refusal(lambda: client.get_model_repository_index(**about))
    return seen


async def ask_overlapping(task):
    about = {"headers": task["headers"]}
    async with aio.InferenceServerClient(task["url"]) as client:
        metadata = await client.get_model_metadata(MATRIX, **about)
        calls = [client.infer(MATRIX, matrix_inputs(aio, task["rows"]), **about) for _ in range(8)]
        results = await asyncio.gather(*calls)
        several = await client.infer(SEVERAL, several_inputs(aio, task["texts"]), **about)
    return {
        "metadata": MessageToDict(metadata),
        "infer": [listed(result, "Y") for result in results],
        "several": {name: listed(several, name) for name in ("Y", "T")},
    }


def fields(message):
    """Field -> its number, type and label, of a message and those inside it."""
    told = {field.name: [field.number, field.type, bool(field.is_repeated)] for field in message.fields}
    inner = {nested.name: fields(nested) for nested in message.nested_types}
    return {"fields": told, "inner": inner}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    found = {
        "sync": ask_everything(asked),
        "asyncio": asyncio.run(ask_overlapping(asked)),
        "protocol": {name: fields(service_pb2.DESCRIPTOR.message_types_by_name[name]) for name in SHARED},
    }
    sys.stdout.write(json.dumps(found) + "\n")
