"""tritonclient.http, sync and asyncio: everything it can ask of a server, in JSON and in binary.

The task on standard input: ``url`` (host:port), ``headers``, ``rows`` (lists of 20 numbers), ``texts`` (a row of the
model with several inputs). What was seen is printed as one line of JSON.
"""

import asyncio
import json
import sys

import numpy as np
from tritonclient import http
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

MATRIX, SEVERAL = "identity", "everything"


def matrix_inputs(module, rows, binary):
    values = np.array(rows, dtype=np.float32)
    given = module.InferInput("X", list(values.shape), "FP32")
    given.set_data_from_numpy(values, binary_data=binary)
    return [given]


def several_inputs(module, row, binary):
    arrays = {
        "X": np.array([row["X"]], dtype=np.float32),
        "N": np.array([[row["N"]]], dtype=np.int64),
        "city": np.array([[row["city"]]], dtype=object),
        "note": np.array([[row["note"]]], dtype=object),
    }
    kinds = {"X": "FP32", "N": "INT64", "city": "BYTES", "note": "BYTES"}
    given = []
    for name, array in arrays.items():
        given.append(module.InferInput(name, list(array.shape), kinds[name]))
        given[-1].set_data_from_numpy(array, binary_data=binary)
    return given


def listed(result, name):
    values = result.as_numpy(name)
    if values.dtype.kind in "OS":
        return [[item.decode() if isinstance(item, bytes) else item for item in row] for row in values.tolist()]
    return values.tolist()


def fresh(task):
    """Headers for one call: the client writes into those it is given."""
    return {"headers": dict(task["headers"])}


def ask_everything(task):
    seen = {}
    with http.InferenceServerClient(task["url"]) as client:
        seen["live"], seen["ready"] = client.is_server_live(**fresh(task)), client.is_server_ready(**fresh(task))
        seen["model_ready"] = client.is_model_ready(MATRIX, "v1", **fresh(task))
        seen["stranger_ready"] = client.is_model_ready("nothing", **fresh(task))
        seen["server"] = client.get_server_metadata(**fresh(task))
        seen["metadata"] = client.get_model_metadata(MATRIX, **fresh(task))
        for binary in (True, False):
            way = "binary" if binary else "json"
            outputs = [http.InferRequestedOutput("Y", binary_data=binary)]
            result = client.infer(
                MATRIX,
                matrix_inputs(http, task["rows"], binary),
                "v1",
                outputs=outputs,
                request_id="id-1",
                **fresh(task),
            )
            seen[way] = {"Y": listed(result, "Y"), "id": result.get_response()["id"]}
            result = client.infer(SEVERAL, several_inputs(http, task["texts"], binary), **fresh(task))
            seen[f"{way}_several"] = {name: listed(result, name) for name in ("Y", "T")}
        for packed in ("gzip", "deflate"):
            result = client.infer(
                MATRIX,
                matrix_inputs(http, task["rows"], True),
                request_compression_algorithm=packed,
                response_compression_algorithm=packed,
                **fresh(task),
            )
            seen[packed] = listed(result, "Y")
        pending = [client.async_infer(MATRIX, matrix_inputs(http, task["rows"], True), **fresh(task)) for _ in range(4)]
        seen["async_infer"] = [listed(answer.get_result(), "Y") for answer in pending]
        try:
            client.infer(MATRIX, matrix_inputs(http, [row[:3] for row in task["rows"]], True), **fresh(task))
        except InferenceServerException as error:
            seen["refusal"] = [error.status(), error.message()]
        client.unload_model(SEVERAL, **fresh(task))
        seen["unloaded"] = client.is_model_ready(SEVERAL, **fresh(task))
        seen["index"] = client.get_model_repository_index(**fresh(task))
        client.load_model(SEVERAL, **fresh(task))
        seen["loaded"] = client.is_model_ready(SEVERAL, **fresh(task))
        seen["statistics"] = client.get_inference_statistics(MATRIX, **fresh(task))
    return seen


async def ask_with_asyncio(task):
    async with aio.InferenceServerClient(task["url"]) as client:
        seen = {"ready": await client.is_server_ready(**fresh(task))}
        for binary in (True, False):
            outputs = [aio.InferRequestedOutput("Y", binary_data=binary)]
            result = await client.infer(
                MATRIX, matrix_inputs(aio, task["rows"], binary), outputs=outputs, **fresh(task)
            )
            seen["binary" if binary else "json"] = listed(result, "Y")
        seen["metadata"] = await client.get_model_metadata(MATRIX, **fresh(task))
        return seen


if __name__ == "__main__":
    given = json.load(sys.stdin)
    sys.stdout.write(
        json.dumps({"sync": ask_everything(given), "asyncio": asyncio.run(ask_with_asyncio(given))}) + "\n"
    )
