"""onnxruntime on the CPU.

The file is handed over as bytes, never as a path: the bytes that were hashed are the bytes that run. For a model that
came as bytes onnxruntime looks for external data below the working directory, and takes it where a branch or a sparse
tensor names it. So it is told another folder, in which nothing can lie; data that we give it in memory it takes.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import onnxruntime as ort

from app.runtimes.base import RuntimeFailed, TensorSpec
from app.tensors import Array, Feed

_DTYPES = {"float": "float32", "double": "float64"}

_NOWHERE = "/dev/null"

ort.set_default_logger_severity(4)  # onnxruntime prints what it also raises; the raise is enough


class OnnxRuntime:
    """One ``InferenceSession``, its output names looked up once."""

    def __init__(self, model: bytes, external: Mapping[str, bytes] | None = None, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
        if external:
            options.add_external_initializers_from_files_in_memory(
                list(external), list(external.values()), [len(data) for data in external.values()]
            )
        try:
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions share no base below Exception
            raise RuntimeFailed(_one_line(error)) from None
        self.inputs: Sequence[TensorSpec] = tuple(_spec(item) for item in session.get_inputs())
        self.outputs: Sequence[TensorSpec] = tuple(_spec(item) for item in session.get_outputs())
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._names = [item.name for item in self.outputs]
        self._run = session.run
        self._fixed_rows = next((item.shape[0] for item in self.inputs if item.shape and item.shape[0]), None)

    def learn(self, rows: Feed) -> None:
        """The first run lays out memory; better now than in a request. See ``Runtime.learn``."""
        with suppress(RuntimeFailed):
            self.run(rows)

    def run(self, feed: Feed) -> list[Any]:
        """Outputs in declared order; see ``Runtime.run``."""
        try:
            if self._fixed_rows is not None:
                return self._run_in_fixed_batches(feed, self._fixed_rows)
            return list(self._run(self._names, feed))
        except Exception as error:  # noqa: BLE001 - as above
            raise RuntimeFailed(_one_line(error)) from None

    def _run_in_fixed_batches(self, feed: Feed, size: int) -> list[Any]:
        """Some exporters fix the batch axis: cut into pieces of that size, the last padded with its own last row."""
        rows = len(next(iter(feed.values())))
        pieces = []
        for start in range(0, rows, size):
            piece = {name: _padded(array[start : start + size], size) for name, array in feed.items()}
            pieces.append(self._run(self._names, piece))
        return [_joined(parts)[:rows] for parts in zip(*pieces, strict=True)]


def _padded(array: Array, size: int) -> Array:
    short = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], short, axis=0)]) if short else array


def _joined(parts: tuple[Any, ...]) -> Any:
    return [row for part in parts for row in part] if isinstance(parts[0], list) else np.concatenate(parts)


def _spec(item: Any) -> TensorSpec:
    inner = re.fullmatch(r"tensor\((\w+)\)", item.type)
    dtype = _DTYPES.get(inner[1], inner[1]) if inner else "map" if item.type.startswith("seq(map(") else item.type
    return TensorSpec(item.name, dtype, tuple(axis if isinstance(axis, int) else None for axis in item.shape or ()))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
