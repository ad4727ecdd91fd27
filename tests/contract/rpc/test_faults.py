"""Calls that lie about themselves: a status that names the field, never UNKNOWN, and memory stays flat."""

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from app.rpc.protocol import open_inference_pb2 as pb
from tests.contract.rpc import wire
from tests.contract.rpc.messages import NESTED, ROW, but, empty_inputs, linear, pieces, raw, request, typed, values_of
from tests.programs import HOST, wait_until
from tests.rpc_server import Reply, RpcClient, RpcServer
from tests.weight import resident_bytes

INVALID = StatusCode.INVALID_ARGUMENT


@pytest.fixture(autouse=True)
def _still_answers(rpc: RpcClient) -> Iterator[None]:
    """After each test, whatever it sent."""
    yield
    assert values_of(rpc.infer(linear()).answer) == [11.5]


def assert_refused(reply: Reply, path: str, says: str = "") -> None:
    """The caller's mistake, said by field, with an id to quote."""
    assert reply.code is INVALID, reply
    assert path in reply.fields, reply
    assert says in reply.fields[path], reply
    assert reply.details["ErrorInfo"].reason == "INVALID_INPUT"
    assert reply.details["RequestInfo"].request_id == reply.trailers["x-request-id"]


def test_no_inputs(rpc: RpcClient) -> None:
    assert_refused(rpc.infer(request("linear")), "inputs", "holds 0 tensors")


def test_ten_thousand_empty_inputs(rpc: RpcClient) -> None:
    assert_refused(rpc.infer(empty_inputs()), "inputs", "holds 10000 tensors")


def test_many_tensors_of_unknown_name(rpc: RpcClient) -> None:
    asked = request("linear")
    for number in range(4096):
        typed(asked, f"t{number}", "FP32", [1], [1.0])
    reply = rpc.infer(asked)
    assert (reply.code, len(reply.fields)) == (INVALID, 20)
    assert "and 19 more" in reply.message


def test_65536_pieces(rpc: RpcClient) -> None:
    assert_refused(rpc.infer(pieces()), "raw_input_contents", "65537 entries for 1 inputs")


@pytest.mark.parametrize("part", [b"\x2a\x00", b"\x2a\x80\x00", b"\x2a\x02\x22\x00"])
def test_millions_of_empty_parts_are_counted_before_they_are_read(rpc: RpcClient, part: bytes) -> None:
    assert_refused(rpc.call("ModelInfer", part * 2_000_000), "message", "has more than 131072 parts")


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"name": ""}, "inputs[0].name", "is no input"),
        ({"name": "Z" * 5000}, "inputs[0].name", "'ZZZ"),
        ({"datatype": ""}, "inputs[0].datatype", "is none of BOOL"),
        ({"datatype": "fp32"}, "inputs[0].datatype", "is none of BOOL"),
        ({"datatype": "F" * 100_000}, "inputs[0].datatype", "is none of BOOL"),
        ({"datatype": "INT32"}, "inputs[0].datatype", "is int32; the model takes float32"),
        ({"shape": [-1, 2]}, "inputs[0].shape", "negative"),
        ({"shape": [-(2**63), 2]}, "inputs[0].shape", "negative"),
        ({"shape": [2**62, 2]}, "inputs[0].shape", "more elements than there can be"),
        ({"shape": [2**32, 2**32]}, "inputs[0].shape", "more elements than there can be"),
        ({"shape": [2**62, 0, 2**62]}, "inputs[0].shape", "more elements than there can be"),
        ({"shape": [1] * 10_000}, "inputs[0].shape", "10000 axes"),
        ({"shape": [2**40, 2]}, "raw_input_contents[0]", "holds 8 bytes"),
        ({"shape": [1, 3]}, "raw_input_contents[0]", "takes 12"),
        ({"shape": [2]}, "inputs[0].shape", "is [2]; the model takes [-1, 2]"),
        ({"shape": [1, 2, 1]}, "inputs[0].shape", "is [1, 2, 1]"),
    ],
)
def test_tensors_that_cannot_be(rpc: RpcClient, changes: Any, path: str, says: str) -> None:
    assert_refused(rpc.infer(but(**changes)), path, says)


@pytest.mark.parametrize(
    ("shape", "data", "path", "says"),
    [
        ([], b"\0" * 4, "inputs[0].shape", "begin with the number of rows"),
        ([0, 2], b"", "inputs[0].shape", "at least 1"),
        ([10_001, 0], b"", "inputs[0].shape", "10001 rows; one request takes at most 10000"),
        ([1, 2], b"", "raw_input_contents[0]", "holds 0 bytes"),
        ([1, 2], b"\0" * 9, "raw_input_contents[0]", "holds 9 bytes"),
        ([1, 2], struct.pack("<2f", 1, float("nan")), "inputs[0].data[0][1]", "must not be null or NaN"),
        ([1, 2], struct.pack("<2f", 1, float("inf")), "inputs[0].data[0][1]", "f1"),
    ],
)
def test_raw_bytes_that_do_not_fill_the_shape(
    rpc: RpcClient, shape: list[int], data: bytes, path: str, says: str
) -> None:
    assert_refused(rpc.infer(raw(request("linear"), "X", "FP32", shape, data)), path, says)


@pytest.mark.parametrize(
    ("data", "path", "says"),
    [
        (b"", "raw_input_contents[0]", "too few for the 1 texts"),
        (b"\x05\0\0\0Oslo", "raw_input_contents[0][0]", "5 bytes long, past the end"),
        (b"\xff\xff\xff\xffOslo", "raw_input_contents[0][0]", "4294967295 bytes long"),
        (b"\x04\0\0\0Oslo" * 2, "raw_input_contents[0]", "8 bytes left"),
        (b"\x02\0\0\0\xff\xfe", "raw_input_contents[0][0]", "no UTF-8"),
        (b"\x03\0\0\0\xed\xa0\x80", "raw_input_contents[0][0]", "no UTF-8"),
    ],
)
def test_texts_that_end_elsewhere(rpc: RpcClient, data: bytes, path: str, says: str) -> None:
    assert_refused(rpc.infer(raw(request("echo-bytes"), "X", "BYTES", [1, 1], data)), path, says)


def test_contents_and_raw_together(rpc: RpcClient) -> None:
    both = raw(linear(), "Z", "FP32", [1, 1], ROW)
    assert_refused(rpc.infer(both), "raw_input_contents", "1 entries for 2 inputs")
    both.raw_input_contents.append(ROW.tobytes())
    assert_refused(rpc.infer(both), "inputs[0].contents", "must not stand beside")


def test_values_in_another_datatype_s_place(rpc: RpcClient) -> None:
    asked = linear()
    asked.inputs[0].contents.int_contents.append(1)
    assert_refused(rpc.infer(asked), "inputs[0].contents.int_contents", "is no place for FP32")


@pytest.mark.parametrize(("values", "says"), [([], "holds 0 values"), ([1.0], "holds 1"), ([1.0] * 99_999, "99999")])
def test_more_or_fewer_values_than_the_shape_says(rpc: RpcClient, values: list[float], says: str) -> None:
    assert_refused(rpc.infer(linear(values)), "inputs[0].contents", says)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INT8", 128), ("INT8", -129), ("INT16", 2**15), ("INT16", -(2**31)), ("UINT8", 256), ("UINT16", 2**32 - 1)],
)
def test_values_beyond_a_narrow_datatype(rpc: RpcClient, datatype: str, value: int) -> None:
    asked = typed(request(f"echo-{datatype.lower()}"), "X", datatype, [1, 1], [value])
    assert_refused(rpc.infer(asked), "inputs[0].contents", f"holds a value that is no {datatype}")


def test_truths_that_are_neither(rpc: RpcClient) -> None:
    reply = rpc.infer(raw(request("echo-bool"), "X", "BOOL", [2, 1], b"\x01\x02"))
    assert_refused(reply, "raw_input_contents[0]", "neither 0 nor 1")


def test_one_name_twice(rpc: RpcClient) -> None:
    assert_refused(rpc.infer(typed(linear(), "X", "FP32", [1, 2], [1, 2])), "inputs[1].name", "more than once")


@pytest.mark.parametrize("name", ["shared_memory_region", "classification", "sequence_id"])
def test_what_would_mean_something_else(rpc: RpcClient, name: str) -> None:
    of_request, of_input, of_output = linear(), linear(), linear(outputs=["Y"])
    of_request.parameters[name].int64_param = 1
    of_input.inputs[0].parameters[name].string_param = "x"
    of_output.outputs[0].parameters[name].int64_param = 3
    assert_refused(rpc.infer(of_request), f"parameters.{name}", "not supported")
    assert_refused(rpc.infer(of_input), f"inputs[0].parameters.{name}", "not supported")
    assert_refused(rpc.infer(of_output), f"outputs[0].parameters.{name}", "not supported")


def test_an_id_that_is_a_book(rpc: RpcClient) -> None:
    assert_refused(rpc.infer(linear(id="x" * 2000)), "id", "at most 1024")


@pytest.mark.parametrize("name", ["..", "a/../b", "%2e%2e", "\0", "x" * 300, "", "модель"])
def test_names_that_are_no_model(rpc: RpcClient, name: str) -> None:
    asked = pb.ModelMetadataRequest(name=name)
    assert rpc.infer(linear(model=name)).code is StatusCode.NOT_FOUND
    assert rpc.call("ModelMetadata", asked).code is StatusCode.NOT_FOUND
    assert rpc.call("ModelReady", pb.ModelReadyRequest(name=name)).answer.ready is False


@pytest.mark.parametrize(
    "message",
    [
        b"\xff" * 100,
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\x0fabc",
        b"\x0a\x02\xff\xfe",
        NESTED,
        b"\x3b" * 60_000,
        linear().SerializeToString()[:-3],
    ],
    ids=["noise", "cut-tag", "length-past-end", "name-no-utf8", "nested", "nested-raw", "cut"],
)
@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "ServerLive"])
def test_bytes_that_are_no_message(rpc: RpcClient, method: str, message: bytes) -> None:
    reply = rpc.call(method, message)
    assert reply.code in {INVALID, StatusCode.NOT_FOUND, StatusCode.OK}, reply
    if method == "ModelInfer":
        assert (reply.code, list(reply.fields)) == (INVALID, ["message"])


def test_messages_over_the_limit(rpc: RpcClient) -> None:
    reply = rpc.call("ModelInfer", bytes(16 * 1024 * 1024 + 1))
    assert reply.code is StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in reply.message


def test_messages_over_the_limit_once_decompressed(rpc_server: RpcServer) -> None:
    bomb = bytes(64 * 1024 * 1024)
    channel = grpc.insecure_channel(rpc_server.address, compression=grpc.Compression.Gzip)
    before = resident_bytes(rpc_server.workers[0])
    with channel, pytest.raises(grpc.RpcError) as refusal:
        channel.unary_unary(wire.PATH)(bomb, timeout=30)
    assert refusal.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert resident_bytes(rpc_server.workers[0]) - before < 48 * 1024 * 1024


def test_compressed_messages_are_read(rpc_server: RpcServer) -> None:
    channel = grpc.insecure_channel(rpc_server.address, compression=grpc.Compression.Gzip)
    with channel:
        raw_answer = channel.unary_unary(wire.PATH)(linear().SerializeToString(), timeout=30)
    assert values_of(pb.ModelInferResponse.FromString(raw_answer)) == [11.5]


MESSAGE = linear().SerializeToString()
LONG = raw(request("identity"), "X", "FP32", [800, 20], bytes(64_000)).SerializeToString()


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ([wire.data(wire.prefixed(MESSAGE), last=True)], {"0"}),
        ([wire.data(wire.prefixed(MESSAGE))], {"0"}),
        ([wire.data(bytes([octet])) for octet in wire.prefixed(LONG)], {"0"}),
        ([wire.data(wire.prefixed(MESSAGE, length=2**32 - 1), last=True)], {"8"}),
        ([wire.data(wire.prefixed(MESSAGE, compressed=7), last=True)], {"", "3", "5", "13"}),
    ],
    ids=["whole", "not-said-to-be-whole", "one-byte-at-a-time", "length-of-4-gib", "unknown-compression"],
)
def test_frames(rpc_server: RpcServer, pieces: list[bytes], statuses: set[str]) -> None:
    assert wire.exchange(rpc_server.port, [wire.opening(), *pieces]) in statuses


@pytest.mark.parametrize(
    "pieces",
    [
        [wire.data(wire.prefixed(MESSAGE, length=len(MESSAGE) + 10), last=True)],
        [wire.data(wire.prefixed(MESSAGE)[:3], last=True)],
        [wire.data(b"", last=True)],
        [wire.data(b"")] * 65_536 + [wire.data(wire.prefixed(MESSAGE), last=True)],
        [b"\0\0\1\0\0\0\0\0\0x" * 10],
        [wire.frame(1, 4, 3, b"\xff" * 60)],
        [b"GET / HTTP/1.1\r\n\r\n"],
    ],
    ids=[
        "longer-than-sent",
        "cut-prefix",
        "no-message",
        "empty-frames",
        "data-on-stream-0",
        "headers-of-noise",
        "http1",
    ],
)
def test_frames_that_never_become_a_call(rpc_server: RpcServer, pieces: list[bytes]) -> None:
    """The server hangs up, or waits as long as the caller does; the next caller is answered."""
    assert wire.exchange(rpc_server.port, [wire.opening(), *pieces], seconds=1) in {"", "1", "12", "13", "14"}


def test_callers_that_stall(rpc_server: RpcServer, rpc: RpcClient) -> None:
    """Two thousand calls whose messages never come: they hold a stream each, and no thread."""
    with ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(socket.create_connection((HOST, rpc_server.port)))
            connection.sendall(wire.opening() + b"".join(wire.headers(3 + 2 * call) for call in range(199)))
        wait_until(lambda: rpc.infer(linear()).code is StatusCode.OK, 10, "the loop to have looked at them all")
        replies = [rpc.infer(linear()) for _ in range(20)]
        assert {reply.code for reply in replies} == {StatusCode.OK}
        assert rpc.health() == "SERVING"


@pytest.mark.parametrize("path", ["/inference.GRPCInferenceService/Nothing", "/nothing", "/" + "x" * 100])
def test_methods_that_are_not_there(rpc_server: RpcServer, path: str) -> None:
    assert wire.exchange(rpc_server.port, [wire.opening(path), wire.data(wire.prefixed(b""), last=True)]) == "12"
