"""The Open Inference Protocol by hand: bodies with binary tensors, and what refusals and answers look like."""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.client import Answer
from tests.servers import Server

LENGTH = "Inference-Header-Content-Length"


def infer(server: Server, model: str, *inputs: Mapping[str, Any], **members: Any) -> Answer:
    """Ask in JSON."""
    return server.post(f"/v2/models/{model}/infer", {"inputs": list(inputs), **members})


def tensor(name: str, datatype: str, shape: Sequence[int], data: Any) -> dict[str, Any]:
    """An input in JSON."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data}


def raw_tensor(name: str, datatype: str, shape: Sequence[int], size: Any) -> dict[str, Any]:
    """An input whose values follow the JSON."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "parameters": {"binary_data_size": size}}


def infer_raw(server: Server, model: str, body: Mapping[str, Any], tail: bytes, length: Any = None) -> Answer:
    """Ask with bytes behind the JSON; ``length`` in place of the true one."""
    header = json.dumps(body).encode()
    told = str(len(header) if length is None else length)
    headers = {LENGTH: told, "Content-Type": "application/octet-stream"}
    return server.post(f"/v2/models/{model}/infer", header + tail, headers)


def texts(*items: str) -> bytes:
    """Texts as the protocol packs them."""
    return b"".join(struct.pack("<I", len(item.encode())) + item.encode() for item in items)


def outputs_of(answer: Answer) -> dict[str, Any]:
    """Output name -> nested lists, from JSON or from bytes; fails unless every byte is accounted for."""
    assert answer.status == 200, answer
    length = answer.headers.get(LENGTH.lower())
    header, tail = (answer.body, b"") if length is None else (answer.body[: int(length)], answer.body[int(length) :])
    found, at = {}, 0
    for output in json.loads(header)["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        found[output["name"]] = _values(output, tail[at : at + size])
        at += size
    assert at == len(tail)
    return found


def _values(output: Mapping[str, Any], raw: bytes) -> Any:
    if "data" in output:
        return np.array(output["data"], dtype=object).reshape(output["shape"]).tolist()
    if output["datatype"] != "BYTES":
        dtype = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8", "BOOL": "?"}[output["datatype"]]
        return np.frombuffer(raw, dtype).reshape(output["shape"]).tolist()
    items, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        items.append(raw[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return np.array(items, dtype=object).reshape(output["shape"]).tolist()


def assert_error(answer: Answer, status: int, *says: str) -> str:
    """The text of a refusal, after checking that it has the protocol's shape."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["error"]
    for words in says:
        assert words in document["error"], document
    return str(document["error"])
