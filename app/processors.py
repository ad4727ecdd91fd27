"""What a process does with the machine it is on: its core, its memory, its address, its descriptors."""

import gc
import os
import resource
import socket
from collections.abc import Mapping
from contextlib import suppress
from ctypes import CDLL

DESCRIPTORS = 65_536


def pin_worker(seat: int, workers: int) -> None:
    """Keep the calling thread, and the request threads it will start, on one core; neighbouring seats get others.

    A worker whose threads wander over several cores spends its time handing the interpreter lock across. onnxruntime's
    own threads were started earlier and keep every core. With fewer cores than workers nothing is pinned.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= workers > 0:
        os.sched_setaffinity(0, {cores[seat % len(cores)]})


def raise_descriptor_limit() -> None:
    """Have as many descriptors as the system allows, within reason: 1,024 is a shell's, and 1,000 connections' too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def rest_collector() -> None:
    """Let the garbage collector look at less, and more rarely. Call it when everything is loaded.

    Modules and models live as long as the process, so they are taken out of its sight. What remains is counted: the
    collector starts whenever 700 more containers were made than freed, and a body of 1,000 rows alone makes 4,000, none
    of them garbage. An answered request leaves nothing to it, a refused one a few small objects, never a body.

    What loading has freed goes back to the system: the C library would keep the half of a large model.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    with suppress(AttributeError, OSError):  # no glibc
        CDLL(None).malloc_trim(0)


def was_given_a_socket(environ: Mapping[str, str]) -> bool:
    """Whether somebody listens there for this very server: the one it takes over from (USR2), or systemd."""
    return "GUNICORN_PID" in environ or "LISTEN_FDS" in environ


def refuse_taken_address(host: str, port: int, setting: str = "PORT") -> None:
    """Stop with a message when something already listens there; ``setting`` is what chooses another port.

    Raises:
        SystemExit: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = f"cannot listen on {host}:{port} ({error.strerror}); set HOST or {setting}"
            raise SystemExit(f"sluice: {why}") from None
