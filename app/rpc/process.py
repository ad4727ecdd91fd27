"""One of the processes behind the port: build, load every model, then listen. Started by the supervisor."""

import asyncio
import os
import signal
import sys
from threading import Thread

import uvloop

from app.processors import pin_worker, rest_collector
from app.rpc.scrape import show_metrics
from app.rpc.server import Limits, RpcServer
from app.services import Services
from app.wiring import build_services
from config.invalid import ConfigInvalid
from config.settings import Settings


def main(seat: int) -> None:
    """Answer until TERM or INT, or until the supervisor is gone. ``seat`` tells the processes behind the port apart.

    Raises:
        SystemExit: a setting or a file cannot be used, or the address cannot be bound; says which.
    """
    try:
        settings = Settings.from_env()
        services = build_services(settings)
    except ConfigInvalid as error:
        raise SystemExit(f"sluice: {error}") from None
    services.start()
    rest_collector()
    if settings.pin_workers:
        pin_worker(seat, settings.workers)
    uvloop.run(_serve(services, settings))


async def _serve(services: Services, settings: Settings) -> None:
    stop = _told_to_stop()
    limits = Limits(settings.threads, settings.grpc_waiting, settings.max_body_bytes, settings.graceful_timeout)
    server = RpcServer(services, limits)
    prometheus = services.observation.prometheus
    try:
        if prometheus and settings.grpc_metrics_port:
            show_metrics(services.gate, prometheus, settings.grpc_host, settings.grpc_metrics_port)
        await server.start(settings.grpc_bind)
    except (RuntimeError, OSError) as error:
        raise SystemExit(f"sluice: cannot listen on {settings.grpc_bind} ({error})") from None
    services.log.info("rpc_ready", address=settings.grpc_bind, models=len(services.registry.models), pid=os.getpid())
    await server.serve_until(stop)


def _told_to_stop() -> asyncio.Event:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    Thread(target=_watch_supervisor, args=(loop, stop), name="rpc-supervisor", daemon=True).start()
    return stop


def _watch_supervisor(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The supervisor holds the other end of our standard input and never writes: it ends when the supervisor does."""
    while os.read(0, 1):
        continue
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main(int(sys.argv[1]))
