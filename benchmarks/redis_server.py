"""A redis-server of the benchmark's own, for scenarios whose servers remember in one."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import free_port

START_LIMIT_S = 10.0


class RedisFailed(Exception):
    """It is missing or did not start."""


class RedisProcess:
    """On a free port of 127.0.0.1, nothing on disk; ``pause`` leaves it there, silent."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self, folder: Path) -> Iterator[None]:
        """Up while the block lasts.

        Raises:
            RedisFailed
        """
        if not shutil.which("redis-server"):
            raise RedisFailed("redis-server is not installed; on Debian and Ubuntu: apt-get install redis-server")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with (folder / f"redis-{self.port}.log").open("wb") as log:
            self._process = subprocess.Popen(["redis-server", *options], stdout=log, stderr=log)
        try:
            self._await()
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def _await(self) -> None:
        until = time.monotonic() + START_LIMIT_S
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16) == b"+PONG\r\n":
                        return
            except OSError:
                time.sleep(0.05)
        raise RedisFailed("redis-server did not start")
