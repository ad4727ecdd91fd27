"""Over HTTP: asked by Python, loaded by ``wrk`` with our script."""

import http.client
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from numpy.typing import NDArray

from benchmarks.doors.dialects import Dialect
from benchmarks.doors.door import AnswerWrong, Figures, Load, LoadFailed
from benchmarks.rows import pool

SCRIPT = Path(__file__).resolve().parent / "predict.lua"
OPTIONS = ("--timeout", "30s", "-s", str(SCRIPT))
CLIENT_THREADS = 2
ASK_LIMIT_S = 10


def require_wrk() -> None:
    """Raises LoadFailed with what to install."""
    if not shutil.which("wrk"):
        raise LoadFailed("wrk is not installed; on Debian and Ubuntu: apt-get install wrk")


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """One route. ``headers`` go with every request, beside those that the body needs."""

    path: str
    dialect: Dialect
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, port: int, values: NDArray[Any]) -> list[float]:
        """See ``Door``."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_LIMIT_S)
        try:
            connection.request("POST", self.path, self.dialect.body(values), self._headers(len(values)))
            response = connection.getresponse()
            answer = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"no answer: {error!r}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise AnswerWrong(f"answered {response.status}: {answer[:300]!r}")
        return self.dialect.probabilities(answer, response.getheader("Inference-Header-Content-Length"))

    def load(self, port: int, load: Load) -> Figures:
        """See ``Door``."""
        threads = min(CLIENT_THREADS, load.connections)
        client = ["wrk", f"-t{threads}", f"-c{load.connections}", f"-d{load.seconds}s", *OPTIONS]
        told = _told([*client, f"http://127.0.0.1:{port}", "--", *self._script(load)])
        answered = told["requests"] - told["errors"]["status"]
        return Figures(
            requests=answered,
            requests_per_s=answered / told["duration_us"] * 1e6,
            p50_ms=told["p50_us"] / 1000,
            p95_ms=told["p95_us"] / 1000,
            p99_ms=told["p99_us"] / 1000,
            errors=sum(told["errors"].values()),
        )

    def _script(self, load: Load) -> list[str]:
        dialect, numbers = self.dialect, (load.rows, load.number, load.distinct)
        headers = "".join(f"{name}: {value}\r\n" for name, value in self._headers(load.rows).items())
        texts = (self.path, headers, dialect.opened(load.rows), *dialect.brackets, dialect.closing)
        kind = "binary" if dialect.binary else "text"
        return [str(pool(load.folder, binary=dialect.binary)), kind, *map(str, numbers), *texts]

    def _headers(self, rows: int) -> dict[str, str]:
        return {**self.headers, **self.dialect.headers(rows)}


def _told(argv: list[str]) -> dict[str, Any]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode or "{" not in done.stdout:
        raise LoadFailed(f"wrk failed: {(done.stderr or done.stdout).strip()[-500:]}")
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return told
