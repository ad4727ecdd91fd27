"""What every door can do: ask once and read the answer, and put load on a server for a while."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray


class LoadFailed(Exception):
    """A client program is missing or said something else than figures."""


class AnswerWrong(Exception):
    """A server answered an error, or something that is not understood."""


@dataclass(frozen=True, slots=True)
class Load:
    """One window: what is sent, by how many connections at once, for how long.

    ``number`` picks rows that no other window sends, unless ``distinct`` says how many different rows there are.
    """

    rows: int
    connections: int
    seconds: int
    number: int
    distinct: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Figures:
    """What the client saw: requests that were answered well, how long answers took (refusals too), and all else."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int


class Door(Protocol):
    """One way to a server that listens on a port of 127.0.0.1."""

    def ask(self, port: int, values: NDArray[Any]) -> list[float]:
        """The second class's probability for each row.

        Raises:
            OSError: nobody answers there (yet).
            AnswerWrong
        """

    def load(self, port: int, load: Load) -> Figures:
        """One window of load. Failed requests are counted, not raised.

        Raises:
            LoadFailed
        """
