"""uvicorn with what the gunicorn servers have: a core and a listening socket (SO_REUSEPORT) per process."""

import multiprocessing
import os
import signal
import socket
import sys
from typing import Any

import uvicorn


def run(app: Any) -> None:
    """WEB_CONCURRENCY processes on PORT, until TERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    cores = sorted(os.sched_getaffinity(0))
    workers = [
        multiprocessing.Process(target=_serve, args=(app, cores[k % len(cores)], int(os.environ["PORT"])), daemon=True)
        for k in range(int(os.environ["WEB_CONCURRENCY"]))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _serve(app: Any, core: int, port: int) -> None:
    os.sched_setaffinity(0, {core})
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
