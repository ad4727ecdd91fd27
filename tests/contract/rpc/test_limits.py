"""Deadlines, cancellation, a full queue: nothing is begun in vain, and health is answered meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from grpc import StatusCode

from app.rpc.protocol import open_inference_pb2 as pb
from tests.contract.rpc import wire
from tests.contract.rpc.messages import linear, request, typed, values_of
from tests.programs import wait_until
from tests.rpc_server import Reply, RpcClient, RpcServer


@pytest.fixture
def narrow(start_rpc: Callable[..., RpcServer]) -> RpcServer:
    """One thread, and two calls may wait for it."""
    return start_rpc({"SLUICE_THREADS": "1", "SLUICE_GRPC_WAITING": "2", "SLUICE_CACHE": "off"})


@pytest.fixture
def client(narrow: RpcServer) -> Iterator[RpcClient]:
    with RpcClient(narrow.address) as made:
        yield made


def slow(number: float) -> pb.ModelInferRequest:
    """Takes a fifth of a second at least."""
    return typed(request("slow"), "X", "FP32", [1, 1], [number])


def seconds_of(client: RpcClient) -> float:
    """What one slow call takes here and now."""
    reply = client.infer(slow(-1))
    assert reply.code is StatusCode.OK, reply
    return reply.seconds


def all_at_once(client: RpcClient, calls: int) -> list[Reply]:
    """So many slow calls, begun together."""
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(lambda number: client.infer(slow(number)), range(calls)))


def test_a_full_queue_refuses_at_once(client: RpcClient) -> None:
    took = seconds_of(client)
    replies = all_at_once(client, 12)
    answered = [reply for reply in replies if reply.code is StatusCode.OK]
    refused = [reply for reply in replies if reply.code is StatusCode.RESOURCE_EXHAUSTED]
    assert (len(answered), len(refused)) == (3, 9)
    assert sorted(reply.seconds for reply in refused)[4] < took / 2
    assert {reply.details["ErrorInfo"].reason for reply in refused} == {"OVERLOADED"}
    assert {reply.trailers["retry-after"] for reply in refused} == {"1"}
    assert client.infer(slow(99)).code is StatusCode.OK


def test_health_is_answered_while_every_thread_works(client: RpcClient) -> None:
    background = threading.Thread(target=all_at_once, args=(client, 3))
    background.start()
    time.sleep(0.05)
    assert client.health() == "SERVING"
    assert client.call("ServerReady").answer.ready
    assert background.is_alive()
    background.join(30)


def test_work_whose_deadline_passed_is_not_started(narrow: RpcServer, client: RpcClient) -> None:
    """A call waits behind another, longer than its deadline allows: the model never sees it."""
    took = seconds_of(client)
    before = line_count(narrow)
    background = threading.Thread(target=client.infer, args=(slow(1),))
    background.start()
    time.sleep(0.02)
    late = client.infer(slow(2), timeout=0.05)
    assert late.code is StatusCode.DEADLINE_EXCEEDED
    background.join(30)
    wait_until(lambda: line_count(narrow) == before + 2, 5, "two access lines")
    started = time.perf_counter()
    assert client.infer(linear()).code is StatusCode.OK
    assert time.perf_counter() - started < took, "the thread is busy with what nobody waits for"


def test_a_deadline_that_has_passed_on_arrival(narrow: RpcServer) -> None:
    """No client sends this; the server says so all the same, in the same words as when the call waited too long."""
    call = wire.opening(timeout="1n") + wire.data(wire.prefixed(slow(3).SerializeToString()), last=True)
    assert wire.exchange(narrow.port, [call]) in {"4", ""}


def test_callers_that_name_no_deadline_have_the_servers(start_rpc: Callable[..., RpcServer]) -> None:
    server = start_rpc({"SLUICE_THREADS": "1", "SLUICE_CACHE": "off", "SLUICE_REQUEST_TIMEOUT_MS": "60"})
    with RpcClient(server.address) as client, ThreadPoolExecutor(3) as pool:
        codes = [reply.code for reply in pool.map(lambda number: client.infer(slow(number), timeout=None), range(3))]
    assert StatusCode.DEADLINE_EXCEEDED in codes
    assert set(codes) <= {StatusCode.OK, StatusCode.DEADLINE_EXCEEDED}


def test_cancelled_calls_leave_the_queue(narrow: RpcServer, client: RpcClient) -> None:
    took = seconds_of(client)
    stub = client.channel.unary_unary(wire.PATH)
    calls = [stub.future(slow(number).SerializeToString()) for number in range(3)]
    time.sleep(took / 10)
    for call in calls[1:]:
        call.cancel()
    assert calls[0].result(30)
    started = time.perf_counter()
    assert client.infer(linear()).code is StatusCode.OK
    assert time.perf_counter() - started < took / 2
    wait_until(lambda: narrow.log.count('"status":"CANCELLED"') == 2, 5, "two lines that say CANCELLED")


def test_quick_models_are_answered_while_slow_ones_wait(client: RpcClient) -> None:
    """What is known to be quick needs no thread."""
    for number in range(20):
        assert client.infer(linear((number, 1.0))).code is StatusCode.OK
    took = seconds_of(client)
    background = threading.Thread(target=all_at_once, args=(client, 3))
    background.start()
    time.sleep(took / 10)
    reply = client.infer(linear())
    assert values_of(reply.answer) == [11.5]
    assert reply.seconds < took / 2
    assert background.is_alive()
    background.join(30)


def test_answers_larger_than_the_limit_for_questions(start_rpc: Callable[..., RpcServer]) -> None:
    server = start_rpc({"SLUICE_MAX_BODY_BYTES": "4096"})
    with RpcClient(server.address, options=[("grpc.max_receive_message_length", -1)]) as client:
        assert client.infer(typed(request("identity"), "X", "FP32", [40, 20], [1.0] * 800)).code is StatusCode.OK
        reply = client.infer(typed(request("identity"), "X", "FP32", [60, 20], [1.0] * 1200))
    assert reply.code is StatusCode.RESOURCE_EXHAUSTED


def line_count(server: RpcServer) -> int:
    """Access lines of inference calls so far."""
    return server.log.count(wire.PATH)
