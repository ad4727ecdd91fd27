"""Over gRPC's Open Inference Protocol: asked here, loaded by ``grpc_client`` processes."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import orjson
from numpy.typing import NDArray

from app.rpc.protocol.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from benchmarks.doors.door import AnswerWrong, Figures, Load, LoadFailed

ROOT = Path(__file__).resolve().parent.parent.parent
METHOD = "/inference.GRPCInferenceService/ModelInfer"
CLIENTS = 2
"""Processes of callers, each with its part of the load's connections: a Python client costs more than the server."""


def infer_request(model: str, values: NDArray[Any]) -> bytes:
    """A message with these rows as raw bytes."""
    asked = ModelInferRequest(model_name=model, raw_input_contents=[values.astype("<f4").tobytes()])
    asked.inputs.add(name="X", datatype="FP32", shape=values.shape)
    return bytes(asked.SerializeToString())


@dataclass(frozen=True, slots=True)
class GrpcDoor:
    """One model's ModelInfer."""

    model: str

    def ask(self, port: int, values: NDArray[Any]) -> list[float]:
        """See ``Door``."""
        return _probabilities(ModelInferResponse.FromString(self.answer(port, infer_request(self.model, values))))

    def answer(self, port: int, message: bytes) -> bytes:
        """What a message is answered with, as it is on the wire; raises as ``ask``."""
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                return bytes(channel.unary_unary(METHOD)(message, timeout=5))
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise ConnectionError(error.details()) from None
                raise AnswerWrong(f"{error.code().name}: {error.details()}") from None

    def load(self, port: int, load: Load) -> Figures:
        """See ``Door``. Of latencies the slower client's count."""
        arguments = [str(port), self.model, str(load.seconds), str(load.connections // CLIENTS)]
        clients = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.doors.grpc_client", *arguments, str(load.number * CLIENTS + at + 1)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
            )
            for at in range(CLIENTS)
        ]
        try:
            told = [_told(client, load.seconds + 60) for client in clients]
        finally:
            for client in clients:
                client.kill()
        summed = ("requests", "requests_per_s", "errors")
        return Figures(**{key: (sum if key in summed else max)(one[key] for one in told) for key in told[0]})


def _told(client: "subprocess.Popen[bytes]", limit_s: float) -> dict[str, Any]:
    lines = client.communicate(timeout=limit_s)[0].splitlines()
    if client.returncode or not lines:
        raise LoadFailed("the gRPC client failed")
    told: dict[str, Any] = orjson.loads(lines[-1])
    return told


def _probabilities(answer: Any) -> list[float]:
    """The second column, from raw bytes or from typed values."""
    for at, output in enumerate(answer.outputs):
        if output.name == "probabilities":
            raw = answer.raw_output_contents
            values = np.frombuffer(raw[at], "<f4") if raw else np.asarray(output.contents.fp32_contents)
            shares: list[float] = values.reshape(-1, 2)[:, 1].tolist()
            return shares
    raise AnswerWrong(f"no probabilities among {[output.name for output in answer.outputs]}")
