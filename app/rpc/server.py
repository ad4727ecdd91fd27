"""One process's gRPC server: its limits, its services, and how it ends."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import grpc
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from app.rpc.health import HEALTH, Health
from app.rpc.hooks import Door
from app.rpc.servicer import SERVICE, Servicer
from app.rpc.threads import Threads
from app.services import Services

_REFRESH_S = 1.0
_DRAIN_S = 1.0
"""How long health says NOT_SERVING while calls are still taken: time for a balancer to look away."""

_PENDING = 1000
"""Calls that have arrived and that the event loop has not looked at yet; grpc resets more of them (CANCELLED)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``threads`` work, ``waiting`` calls may wait for one; ``grace_s`` is what calls in flight have to end."""

    threads: int
    waiting: int
    message_bytes: int
    grace_s: float


class RpcServer:
    """Made and run on one event loop."""

    def __init__(self, services: Services, limits: Limits) -> None:
        self._limits = limits
        self._threads = Threads(limits.threads, limits.waiting)
        self._health = Health(services.registry, SERVICE)
        self._server = grpc.aio.server(options=options(limits))
        door = Door(services, self._threads)
        methods = Servicer(services, lambda: self._health.ready).methods()
        handlers = {name: door.handler(f"/{SERVICE}/{name}", method) for name, method in methods.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._health.attach(self._server)
        self._show_load(services)
        enable_server_reflection((SERVICE, HEALTH, REFLECTION), self._server)

    def _show_load(self, services: Services) -> None:
        prometheus, threads = services.observation.prometheus, self._limits.threads
        if prometheus:
            prometheus.watch("sluice_requests_in_flight", lambda: {(): min(self._threads.taken, threads)})
            prometheus.watch("sluice_queue_depth", lambda: {(): max(0, self._threads.taken - threads)})

    async def start(self, address: str) -> None:
        """Listen on ``host:port`` or ``unix:/path``; other processes may listen on the same port.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        self._server.add_insecure_port(address)
        await self._health.refresh()
        await self._server.start()

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Answer until told to stop; then refuse readiness first, take no more calls, and answer those in flight."""
        while not stop.is_set():
            await self._health.refresh()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _REFRESH_S)
        await self._health.drain()
        await asyncio.sleep(_DRAIN_S)
        await self._server.stop(self._limits.grace_s)
        self._threads.close()


def options(limits: Limits) -> list[tuple[str, int]]:
    """What grpc itself is told. Connections end some time, so that long-lived clients spread over processes again."""
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", 256),
        ("grpc.server.max_pending_requests", _PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING),
        ("grpc.max_connection_age_ms", 10 * 60_000),
        ("grpc.max_connection_age_grace_ms", 60_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
