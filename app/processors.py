"""What a worker process does with the machine it is on: its core, its address."""

import os
import socket


def pin_worker(age: int, workers: int) -> None:
    """Keep the calling thread, and the request threads it will start, on one core.

    A worker whose threads wander over several cores spends its time handing the interpreter lock across. onnxruntime's
    own threads were started earlier and keep every core. With fewer cores than workers nothing is pinned.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= workers > 0:
        os.sched_setaffinity(0, {cores[(age - 1) % len(cores)]})


def refuse_taken_address(host: str, port: int) -> None:
    """Stop with a message when something already listens there.

    Raises:
        SystemExit: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SystemExit(f"sluice: cannot listen on {host}:{port} ({error.strerror}); set HOST or PORT") from None
