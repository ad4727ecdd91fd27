"""What the system knows of a process and all below it: processor time, memory, and how to end them."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

STOP_LIMIT_S = 10.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def family(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    for thread in _listed(f"/proc/{pid}/task"):
        for child in _read(f"/proc/{pid}/task/{thread}/children").split():
            yield from family(int(child))


def cpu_s(pid: int) -> float:
    """Processor time that the family has taken so far; of those that ended, what their parents were told."""
    return sum(map(_cpu_s, family(pid)))


def memory_mib(pid: int) -> float:
    """Proportional set size: private memory, and of shared memory each one's part."""
    return sum(map(_pss_kib, family(pid))) / 1024


def end(process: "subprocess.Popen[bytes]") -> None:
    """TERM to the first of the family, and KILL to all who have not gone when it has, or will not go."""
    everyone = list(family(process.pid))
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in everyone[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _cpu_s(pid: int) -> float:
    words = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK")


def _pss_kib(pid: int) -> int:
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _listed(folder: str) -> list[str]:
    try:
        return [each.name for each in Path(folder).iterdir()]
    except OSError:
        return []


def _read(file: str) -> str:
    """Empty where the process has gone."""
    try:
        return Path(file).read_text()
    except OSError:
        return ""
