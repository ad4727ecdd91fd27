"""What happens around every call: its id, its clock, the gate, its deadline, its status, its line in the access log."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from time import perf_counter, thread_time
from typing import Any, Generic, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext

from app import deadlines, priority
from app.errors import InvalidInput, ModelFailed, QuotaExceeded, SluiceError
from app.gateway.addresses import client_address
from app.gateway.caller import rate_limit_fields
from app.rpc.call import Call, peer_address, text_metadata
from app.rpc.pace import SHORT_BYTES, Pace, held
from app.rpc.parts import refuse_many_parts
from app.rpc.status import CODES, code_of, details_of, text_of
from app.rpc.threads import Threads
from app.services import Services
from app.telemetry.access import AccessLog, Answered
from app.telemetry.logs import request_id
from app.telemetry.metrics import tell_refusal

PUBLIC = "public"

Request = TypeVar("Request", bound=Message)
Behaviour = Callable[[bytes, "ServicerContext[bytes, bytes]"], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Method(Generic[Request]):
    """A method of the service: its message, the scope it needs, its work, and which model and version it is about.

    A public method asks nothing of anybody and takes no time: it is answered on the event loop, busy or not.
    """

    message: type[Request]
    scope: str
    work: Callable[[Request, Call], Message]
    about: Callable[[Request], tuple[str, str]] = lambda _: ("", "")


class Door:
    """Turns methods into what grpc calls."""

    def __init__(self, services: Services, threads: Threads) -> None:
        self._services = services
        self._threads = threads
        self._pace = Pace()

    def handler(self, path: str, method: Method[Any]) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Bytes in, bytes out: messages are parsed here, so that one that is none ends as the caller's mistake."""
        return grpc.unary_unary_rpc_method_handler(self._behaviour(path, method))

    def _behaviour(self, path: str, method: Method[Any]) -> Behaviour:
        async def behave(raw: bytes, context: "ServicerContext[bytes, bytes]") -> bytes:
            call = self._begin(path, context)
            try:
                answer = await self._work(method, raw, call)
            except asyncio.CancelledError as gone:
                self._end(call, code_of(gone))
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status from the table
                self._refuse(context, call, error)
                return b""
            context.set_trailing_metadata(tuple(call.trailers))
            self._end(call, grpc.StatusCode.OK)
            return answer

        return behave

    def _begin(self, path: str, context: "ServicerContext[bytes, bytes]") -> Call:
        metadata = text_metadata(context.invocation_metadata() or ())  # type: ignore[arg-type]
        door, seconds = self._services.doorkeeping, cast(float | None, context.time_remaining())
        call = Call(path, metadata, context.peer(), door.request_timeout_s if seconds is None else seconds)
        request_id.set(call.request_id)
        call.address = client_address(
            peer_address(call.peer), metadata.get("x-forwarded-for"), door.trusted_networks, door.trust_socket
        )
        return call

    async def _work(self, method: Method[Any], raw: bytes, call: Call) -> bytes:
        """Answer here what is quick, in a thread what may take long, reading a long message included."""
        if len(raw) > SHORT_BYTES:
            return await self._threads.run(lambda: self._answer_long(method, raw, call))
        message = _parsed(method, raw)
        if method.scope == PUBLIC:
            return self._answer(method, message, call)
        kind = (call.path, *method.about(message)) if message is not None else (call.path,)
        if self._pace.quick(kind):
            return self._answer_here(method, message, call, kind)
        answer, seconds = await self._threads.run(lambda: _timed(partial(self._answer, method, message, call)))
        self._pace.took(kind, seconds, on_loop=False)
        return answer

    def _answer_here(self, method: Method[Any], message: Message | None, call: Call, kind: Hashable) -> bytes:
        answer, seconds = held(partial(self._answer, method, message, call))
        self._pace.took(kind, seconds, on_loop=True)
        return answer

    def _answer_long(self, method: Method[Any], raw: bytes, call: Call) -> bytes:
        """Admit the caller, and count the message's parts, before a long message is parsed."""
        _begin_work(call)
        self._admit(method, None, call)
        refuse_many_parts(raw)
        message = _parsed(method, raw)
        if message is not None and call.caller is not None:
            self._services.gate.permit(call.caller, method.scope, method.about(message)[0] or None)
        return self._worked(method, message, call)

    def _answer(self, method: Method[Any], message: Message | None, call: Call) -> bytes:
        """Admit the caller first, also of a message that cannot be read: it counts against the quota like any other."""
        _begin_work(call)
        self._admit(method, method.about(message)[0] if message is not None else None, call)
        return self._worked(method, message, call)

    def _worked(self, method: Method[Any], message: Message | None, call: Call) -> bytes:
        if message is None:
            raise InvalidInput({"message": [f"is no {method.message.DESCRIPTOR.name}"]})
        return method.work(message, call).SerializeToString()

    def _admit(self, method: Method[Any], model: str | None, call: Call) -> None:
        if method.scope == PUBLIC:
            return
        admission = self._services.gate.admit(call.credentials, method.scope, model)
        call.caller = admission.caller
        if admission.standing is not None:
            call.say(admission.standing.fields)

    def _refuse(self, context: "ServicerContext[bytes, bytes]", call: Call, error: Exception) -> None:
        """Set the status rather than abort: the exception of an abort would hold the context, and the context it."""
        self._report(error)
        if isinstance(error, SluiceError) and error.retry_after is not None:
            call.trailers.append(("retry-after", str(error.retry_after)))
        if isinstance(error, QuotaExceeded):
            call.say(rate_limit_fields(error.unit, error.limit, error.seconds, 0, error.reset_s))
        call.trailers.append(("grpc-status-details-bin", details_of(error, call.request_id)))
        context.set_code(code_of(error))
        context.set_details(text_of(error))
        context.set_trailing_metadata(tuple(call.trailers))
        self._end(call, code_of(error))

    def _report(self, error: Exception) -> None:
        log = self._services.log
        tell_refusal(self._services.metrics, error)
        if isinstance(error, ModelFailed):
            log.error("model_failed", detail=str(error), reason=error.reason)
        elif type(error) not in CODES:
            log.error("unexpected_error", error=type(error).__name__, exc_info=error)

    def _end(self, call: Call, code: grpc.StatusCode) -> None:
        """Tell the observers and the access log; for the observers a status is a number, here gRPC's."""
        here, seconds = self._services, perf_counter() - call.started
        here.metrics.request(call.path, code.value[0], seconds, call.facts)
        if here.access_log:
            _write_line(here.access_log, call, code, seconds)


def _begin_work(call: Call) -> None:
    request_id.set(call.request_id)
    deadlines.begin(call.seconds, call.arrived)
    priority.begin(call.metadata.get("x-priority", "").lower() == "bulk")
    deadlines.check()


def _parsed(method: Method[Any], raw: bytes) -> Message | None:
    """The message, None when these bytes are none."""
    try:
        message: Message = method.message.FromString(raw)
    except DecodeError:
        return None
    return message


def _write_line(log: AccessLog, call: Call, code: grpc.StatusCode, seconds: float) -> None:
    caller = call.caller.subject if call.caller else None
    log.write(call.request_id, seconds, Answered("GRPC", call.path, code.name, call.address, caller, call.facts))


def _timed(work: Callable[[], bytes]) -> tuple[bytes, float]:
    """With the processor time of this thread: what it spends waiting for the interpreter is not the work's fault."""
    started = thread_time()
    return work(), thread_time() - started
