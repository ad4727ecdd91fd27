"""Over gRPC, loaded by ``h2load``: a client in C, which leaves the machine to the server.

It sends one message again and again, and sees HTTP's status only, which is 200 whatever gRPC's is. So answers are
told by their bytes: the same question has an answer of the same length, and a refusal has none.
"""

import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.doors.door import AnswerWrong, Figures, Load, LoadFailed
from benchmarks.doors.grpc import METHOD, GrpcDoor, infer_request
from benchmarks.rows import rows_like

CLIENT_THREADS = 2
HEADERS = ("-H", "content-type: application/grpc", "-H", "te: trailers")
DATA_BYTES = re.compile(r"^traffic: .*\((\d+)\) data$", re.MULTILINE)
FAILED = re.compile(r"^requests: .* (\d+) failed, (\d+) errored, (\d+) timeout$", re.MULTILINE)


def framed(message: bytes) -> bytes:
    """A message as it stands in HTTP/2 data: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(message)) + message


@dataclass(frozen=True, slots=True)
class H2loadDoor:
    """One model's ModelInfer, asked about the same rows all the time; the load's ``number`` has no meaning here."""

    model: str

    def ask(self, port: int, values: NDArray[Any]) -> list[float]:
        """See ``Door``."""
        return GrpcDoor(self.model).ask(port, values)

    def load(self, port: int, load: Load) -> Figures:
        """See ``Door``."""
        message = infer_request(self.model, rows_like(load.rows))
        try:
            answer = framed(GrpcDoor(self.model).answer(port, message))
        except (AnswerWrong, OSError) as error:
            raise LoadFailed(f"no answer to count by: {error}") from None
        with TemporaryDirectory(dir=load.folder) as folder:
            return _loaded(f"http://127.0.0.1:{port}{METHOD}", framed(message), len(answer), load, Path(folder))


def _loaded(url: str, body: bytes, answer_bytes: int, load: Load, folder: Path) -> Figures:
    if not shutil.which("h2load"):
        raise LoadFailed("h2load is not installed; on Debian and Ubuntu: apt-get install nghttp2-client")
    asked, log = folder / "asked.bin", folder / "answers.tsv"
    asked.write_bytes(body)
    clients = (f"-t{min(CLIENT_THREADS, load.connections)}", f"-c{load.connections}", f"-D{load.seconds}")
    argv = ["h2load", *clients, f"-d{asked}", f"--log-file={log}", *HEADERS, url]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=load.seconds + 60)
    told, failed = DATA_BYTES.search(done.stdout), FAILED.search(done.stdout)
    if done.returncode or told is None or failed is None:
        raise LoadFailed(f"h2load failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return _figures(log, int(told[1]) // answer_bytes, sum(map(int, failed.groups())), load.seconds)


def _figures(log: Path, answers: int, failed: int, seconds: int) -> Figures:
    """The log has a line for each response: when it was asked for, HTTP's status, microseconds until its end."""
    taken = [int(line.rpartition("\t")[2]) / 1000 for line in log.read_text().splitlines()]
    good = min(len(taken), answers)
    p50, p95, p99 = np.percentile(taken or [0.0], [50, 95, 99]).tolist()
    return Figures(good, good / seconds, p50, p95, p99, failed + len(taken) - good)
