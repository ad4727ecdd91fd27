"""No protocol at all: onnxruntime's processes run batches by themselves while the window lasts."""

import socket
from dataclasses import dataclass
from typing import Any

import orjson
from numpy.typing import NDArray

from benchmarks.doors.door import Figures, Load


@dataclass(frozen=True, slots=True)
class RawDoor:
    """How ``rivals/onnxruntime_alone.py`` is spoken to."""

    def ask(self, port: int, values: NDArray[Any]) -> list[float]:
        """See ``Door``."""
        told: list[float] = _told(port, {"sample": values.tolist()}, 10)
        return told

    def load(self, port: int, load: Load) -> Figures:
        """See ``Door``; the connections of the load have no meaning here."""
        return Figures(**_told(port, {"rows": load.rows, "seconds": load.seconds}, load.seconds + 60))


def _told(port: int, asked: dict[str, Any], limit_s: float) -> Any:
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as connection:
        connection.sendall(orjson.dumps(asked) + b"\n")
        with connection.makefile("rb") as lines:
            line = lines.readline()
    if not line:
        raise ConnectionError("it closed the connection")
    return orjson.loads(line)
