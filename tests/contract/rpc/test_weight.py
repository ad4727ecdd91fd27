"""What calls that lie leave behind in the process: nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from grpc import StatusCode

from app.rpc.protocol import open_inference_pb2 as pb
from tests.contract.rpc import wire
from tests.contract.rpc.messages import NESTED, but, empty_inputs, pieces, raw, request, typed
from tests.rpc_server import RpcClient, RpcServer
from tests.weight import MIB, growth


def _many_inputs() -> pb.ModelInferRequest:
    asked = request("identity")
    asked.inputs.extend([pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP32", shape=[1])] * 10_000)
    return asked


LIES: dict[str, Callable[[], bytes]] = {
    "negative": lambda: but(shape=[-(2**63), 2]).SerializeToString(),
    "overflowing": lambda: but(shape=[2**62, 0, 2**62]).SerializeToString(),
    "empty inputs": lambda: empty_inputs().SerializeToString(),
    "pieces": lambda: pieces().SerializeToString(),
    "shape": lambda: raw(request("identity"), "X", "FP32", [2**40, 20], bytes(320_000)).SerializeToString(),
    "values": lambda: typed(request("identity"), "X", "FP32", [2**40, 20], [1.5] * 20_000).SerializeToString(),
    "texts": lambda: raw(request("echo-bytes"), "X", "BYTES", [20_000, 1], b"\xff" * 100_000).SerializeToString(),
    "inputs": lambda: _many_inputs().SerializeToString(),
    "nested": lambda: NESTED,
    "noise": lambda: b"\xff" * 300_000,
}


@pytest.mark.parametrize("kind", LIES)
def test_memory_stays_where_it_is(rpc_server: RpcServer, rpc: RpcClient, kind: str) -> None:
    """Less than 1 MiB per 100 such calls, after the first hundred."""
    lie = LIES[kind]()

    def ask() -> None:
        assert rpc.call("ModelInfer", lie).code is StatusCode.INVALID_ARGUMENT

    assert growth(rpc_server.workers[0], ask) < MIB


def test_messages_over_the_limit_leave_nothing(rpc_server: RpcServer) -> None:
    """Said to be 17 MiB, and refused for that."""
    long = [wire.opening(), wire.data(wire.prefixed(bytes(16_000), length=17 << 20))]

    def ask_ten_times() -> None:
        assert list(pool.map(lambda _: wire.exchange(rpc_server.port, long), range(10))) == ["8"] * 10

    with ThreadPoolExecutor(10) as pool:  # grpc takes its time over each
        assert growth(rpc_server.workers[0], ask_ten_times, 10) < 10 * MIB
