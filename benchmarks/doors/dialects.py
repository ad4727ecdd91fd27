"""The bodies that servers take and give: what stands before, around, between and after the rows of numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.doors.door import AnswerWrong
from benchmarks.rows import FEATURES

Read = Callable[[Any], list[float]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A body is ``opening``, the rows, ``closing``; ``{rows}`` and ``{bytes}`` in the opening say how many.

    ``brackets`` stand around each row of JSON. A binary dialect's rows are little-endian float32 behind each other.
    ``read`` finds the second class's probability of each row in a parsed answer.
    """

    opening: str
    closing: str
    read: Read
    brackets: tuple[str, str] = ("[", "]")
    binary: bool = False

    def opened(self, rows: int) -> str:
        """The opening for so many rows."""
        return self.opening.replace("{rows}", str(rows)).replace("{bytes}", str(rows * FEATURES * 4))

    def headers(self, rows: int) -> dict[str, str]:
        """What says how the body is to be read."""
        if not self.binary:
            return {"Content-Type": "application/json"}
        length = str(len(self.opened(rows)))
        return {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": length}

    def body(self, values: NDArray[Any]) -> bytes:
        """These rows as a request."""
        opening = self.opened(len(values)).encode()
        if self.binary:
            return opening + values.astype("<f4").tobytes()
        before, after = (part.encode() for part in self.brackets)
        rows = (before + orjson.dumps(row)[1:-1] + after for row in values.tolist())
        return opening + b",".join(rows) + self.closing.encode()

    def probabilities(self, answer: bytes, header: str | None) -> list[float]:
        """What an answer says.

        Raises:
            AnswerWrong: it is not built as expected.
        """
        try:
            if header is None:
                return self.read(orjson.loads(answer))
            return _raw_floats(orjson.loads(answer[: int(header)]), answer[int(header) :])
        except (ValueError, LookupError, TypeError) as error:
            raise AnswerWrong(f"unexpected answer ({error!r}): {answer[:200]!r}") from None


def _raw_floats(said: Any, raw: bytes) -> list[float]:
    """The second column of the only float output among the raw tensors."""
    at = 0
    for output in said["outputs"]:
        size = output["parameters"]["binary_data_size"]
        if output["datatype"] == "FP32":
            shares: list[float] = np.frombuffer(raw[at : at + size], "<f4").reshape(output["shape"])[:, 1].tolist()
            return shares
        at += size
    raise LookupError("no FP32 output")


def by_label(answer: Any) -> list[float]:
    """Sluice: a mapping of labels to probabilities for each row."""
    return [row["probabilities"]["1"] for row in answer.get("predictions", [answer])]


def by_position(answer: Any) -> list[float]:
    """Hand-written routes: a list of probabilities for each row."""
    return [row["probabilities"][1] for row in answer.get("predictions", [answer])]


def by_column(answer: Any) -> list[float]:
    """One list of all rows' probabilities."""
    return [shares[1] for shares in answer["probabilities"]]


def by_tensor(answer: Any) -> list[float]:
    """Open Inference Protocol: a tensor named probabilities, flat or nested."""
    (output,) = (item for item in answer["outputs"] if item["name"] == "probabilities")
    shares: list[float] = np.asarray(output["data"], dtype=float).reshape(-1, 2)[:, 1].tolist()
    return shares


def by_frame(answer: Any) -> list[float]:
    """MLflow: the outputs of the model by name, under ``predictions``."""
    return by_column(answer["predictions"])


ONE = Dialect('{"features":', "}", by_position)
MANY = Dialect('{"instances":[', "]}", by_position)
OUR_ONE = replace(ONE, read=by_label)
OUR_MANY = replace(MANY, read=by_label)
MLFLOW = Dialect('{"inputs":[', "]}", by_frame)
V2 = Dialect(
    f'{{"inputs":[{{"name":"X","shape":[{{rows}},{FEATURES}],"datatype":"FP32","data":[',
    "]}]}",
    by_tensor,
    brackets=("", ""),
)
V2_BINARY = Dialect(
    f'{{"inputs":[{{"name":"X","shape":[{{rows}},{FEATURES}],"datatype":"FP32",'
    '"parameters":{"binary_data_size":{bytes}}}],"parameters":{"binary_data_output":true}}',
    "",
    by_tensor,
    binary=True,
)
