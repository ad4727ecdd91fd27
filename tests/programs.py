"""Running real programs for tests: a free port, a log file, a start that waits, an end that is certain."""

import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
STARTS = 5
"""A program whose port is taken while it starts gets another one, so many times in all."""

_claims = (Path(tempfile.gettempdir()) / f"sluice-test-ports-{os.getuid()}").open("ab")
_claimed: set[int] = set()


class ProgramFailed(AssertionError):
    """A program did not start, or did not end. The text holds the end of its log."""


class PortTaken(ProgramFailed):
    """Something else came to listen between the choice of a port and the start."""


def free_port() -> int:
    """A port nobody listens on, given out once, and not one the kernel would give to an outgoing connection."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    quiet = [port for port in range(10_000, 60_000) if not low <= port <= high]
    candidates = quiet or range(10_000, 60_000)
    for _ in range(200):
        port = random.choice(candidates)
        if _claim(port) and _bindable(port):
            return port
    raise ProgramFailed("no free port")


def _claim(port: int) -> bool:
    """Once per run of the tests, and in one run at a time: the lock on the port's byte ends with this process."""
    if port in _claimed:
        return False
    try:
        fcntl.lockf(_claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _claimed.add(port)
    return True


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def wait_until(true: Callable[[], bool], seconds: float, what: str, pause: float = 0.02) -> None:
    """Poll; raises ``ProgramFailed`` naming what was waited for."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise ProgramFailed(f"waited {seconds:g} s for {what}")
        time.sleep(pause)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes a process has started itself."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Program:
    """One process with its own folder; use it as a context manager or call ``start`` and ``stop``."""

    name = "program"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_file = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._known = False
        self.choose_ports()

    def choose_ports(self) -> None:
        """Where it shall listen; asked again, somewhere else."""
        self.port = free_port()

    def command(self) -> Sequence[str]:
        """What to run."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def answers(self) -> bool:
        """Whether it is up."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The pid of the process that was started."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether that process still is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything it wrote to stdout and stderr."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def said(self) -> str:
        """What of it the process has written that runs now."""
        return self.log_file.read_bytes()[self._log_start :].decode(errors="replace")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting for anything."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                list(self.command()),
                cwd=ROOT,
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self._process

    def start(self) -> Self:
        """Start it and wait until it answers. Once it has, it keeps its port: others know it."""
        for left in reversed(range(1 if self._known else STARTS)):
            try:
                self._start_here()
                break
            except PortTaken:
                if not left:
                    raise
                self.choose_ports()
        self._known = True
        return self

    def _start_here(self) -> None:
        self.launch()
        try:
            wait_until(self._up, START_SECONDS, f"{self.name} to start")
        except ProgramFailed as error:
            self.kill()
            raise type(error)(f"{error}\n{self.log[-4000:]}") from None

    def _up(self) -> bool:
        if "address already in use" in self.said.lower():
            raise PortTaken(f"{self.name} found port {self.port} or another one taken")
        if not self.running:
            raise ProgramFailed(f"{self.name} ended while starting")
        return self.answers()

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def stop(self) -> int:
        """End it and what it started (TERM, then KILL); its exit status. Fails when anything is left."""
        if self._process is None or not self.running:
            return self._process.returncode if self._process else 0
        family = [self.pid, *children(self.pid)]
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        wait_until(lambda: not any(map(alive, family)), STOP_SECONDS, f"{self.name} to end")
        return self._process.returncode

    def kill(self) -> None:
        """``kill -9``, as a crash would."""
        if self._process is not None and self.running:
            family = [self.pid, *children(self.pid)]
            self.signal(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            wait_until(lambda: not any(map(alive, family)), STOP_SECONDS, f"{self.name} to end")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
