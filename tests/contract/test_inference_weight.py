"""What requests of the inference protocol that lie leave behind in the worker: nothing."""

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.client import message
from tests.contract.inference import LENGTH, raw_tensor, tensor
from tests.servers import Server
from tests.weight import MIB, growth


def _json(*inputs: Any, model: str = "identity") -> bytes:
    return message("POST", f"/v2/models/{model}/infer", {"inputs": list(inputs)})


def _binary(given: dict[str, Any], tail: bytes, beyond: int = 0) -> bytes:
    header = json.dumps({"inputs": [given]}).encode()
    return message("POST", "/v2/models/identity/infer", header + tail, {LENGTH: str(len(header) + beyond)})


def _chunked(body: bytes, size: int) -> bytes:
    """The body in pieces of ``size`` bytes."""
    pieces = b"".join(b"%x\r\n%b\r\n" % (size, body[at : at + size]) for at in range(0, len(body), size))
    head = message("POST", "/v2/models/identity/infer", None, {"Transfer-Encoding": "chunked"})
    return head.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n") + pieces + b"0\r\n\r\n"


LIES: dict[str, tuple[Callable[[], bytes], int]] = {
    "json: more values than the shape says": (lambda: _json(tensor("X", "FP32", [1, 20], [1.5] * 20_000)), 400),
    "json: fewer": (lambda: _json(tensor("X", "FP32", [2**40, 20], [1.5] * 20_000)), 400),
    "json: negative": (lambda: _json(tensor("X", "FP32", [-1, 20], [1.5] * 20)), 400),
    "json: overflowing": (lambda: _json(tensor("X", "FP32", [2**62, 0, 2**62], [1.5] * 20)), 400),
    "json: 10,000 empty inputs": (lambda: _json(*[{}] * 10_000), 400),
    "json: deep": (lambda: message("POST", "/v2/models/identity/infer", b'{"inputs": ' + b"[" * 100_000), 400),
    "json: 65,536 chunks": (lambda: _chunked(b'{"inputs": ' + b"5," * 32_763, 1), 400),
    "json: over the limit": (lambda: message("POST", "/v2/models/identity/infer", bytes(17 << 20)), 413),
    "binary: larger than it says": (lambda: _binary(raw_tensor("X", "FP32", [1, 20], 80), bytes(320_000)), 400),
    "binary: smaller": (lambda: _binary(raw_tensor("X", "FP32", [4000, 20], 2**40), bytes(320_000)), 400),
    "binary: negative": (lambda: _binary(raw_tensor("X", "FP32", [-(2**63), 20], 80), bytes(80)), 400),
    "binary: overflowing": (lambda: _binary(raw_tensor("X", "FP32", [2**62, 0, 2**62], 80), bytes(80)), 400),
    "binary: header past the end": (lambda: _binary(raw_tensor("X", "FP32", [1, 20], 80), bytes(80), 90), 400),
    "binary: header in the values": (
        lambda: _binary(raw_tensor("X", "FP32", [4000, 20], 320_000), bytes(320_000), 300_000),
        400,
    ),
    "binary: texts past the end": (
        lambda: _binary(raw_tensor("X", "BYTES", [1, 20], 100_000), struct.pack("<I", 2**31) + bytes(99_996)),
        400,
    ),
}


@pytest.mark.parametrize("kind", LIES)
def test_memory_stays_where_it_is(tiny: Server, kind: str) -> None:
    """Less than 1 MiB per 100 such requests, after the first; every one is refused in the protocol's words."""
    make, status = LIES[kind]
    lie = make()

    def ask() -> None:
        answer = tiny.send(lie)
        assert (answer.status, list(answer.json())) == (status, ["error"])

    assert growth(tiny.workers[0], ask, 20 if "chunks" in kind else 100) < MIB
