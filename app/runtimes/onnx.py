"""onnxruntime on the CPU.

A file from outside is handed over as bytes, never as a path: the bytes that were hashed are the bytes that run. Where
such a model names data outside of it, in the branch of an If or as a sparse tensor, onnxruntime would take it from
files below the working directory; so it is told a folder in which nothing can lie, and gets in memory what it may have.
Only what this server has laid out itself from such bytes is opened by its path, to be mapped (``mapped``).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import onnxruntime as ort

from app.runtimes.base import RuntimeFailed, TensorSpec
from app.runtimes.lifting import NAME as LIFTED_FROM
from app.runtimes.lifting import lifted
from app.runtimes.mapped import MODEL, WEIGHTS, Layouts
from app.runtimes.rows import join
from app.tensors import Array, Feed

_DTYPES = {"float": "float32", "double": "float64"}

_LAY_OUT = {
    "save_model_format": "ONNX",
    "optimized_model_external_initializers_file_name": WEIGHTS,
    "optimized_model_external_initializers_min_size_in_bytes": "1024",
    "save_external_prepacked_constant_initializers": "1",
}

_NOWHERE = "/dev/null"

_SOURCE = re.compile(r"/onnxruntime_src/\S+:\d+ .*?\)(?: const)?(?:::<lambda\(.*?\)>)? (?=[A-Z])")

VERSION: str = ort.__version__

ort.set_default_logger_severity(4)  # onnxruntime prints what it also raises; the raise is enough


class OnnxRuntime:
    """One ``InferenceSession``, its output names looked up once."""

    queued_rows = 0

    def __init__(
        self,
        model: bytes,
        external: Mapping[str, bytes] | None = None,
        threads: int = 1,
        layouts: Layouts | None = None,
        digest: str = "",
    ) -> None:
        source = _Source(model, external or {}, threads)
        laid_out = layouts.place(model, source.external, source.lay_out, digest) if layouts else None
        session = source.open_laid_out(laid_out) if laid_out else source.open()
        self.inputs: Sequence[TensorSpec] = tuple(_spec(item) for item in session.get_inputs())
        self.outputs: Sequence[TensorSpec] = tuple(_spec(item) for item in session.get_outputs())
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.clock: Callable[[], float] = thread_time if threads == 1 else perf_counter
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
        except Exception as error:  # noqa: BLE001 - as in _session
            raise RuntimeFailed(_one_line(error)) from None

    def _run_in_fixed_batches(self, feed: Feed, size: int) -> list[Any]:
        """Some exporters fix the batch axis: cut into pieces of that size, the last padded with its own last row."""
        rows = len(next(iter(feed.values())))
        pieces = []
        for start in range(0, rows, size):
            piece = {name: _padded(array[start : start + size], size) for name, array in feed.items()}
            pieces.append(self._run(self._names, piece))
        return [join(parts)[:rows] for parts in zip(*pieces, strict=True)]


class _Source:
    """A model's bytes, and the ways to make a session of them."""

    def __init__(self, model: bytes, external: Mapping[str, bytes], threads: int) -> None:
        self.model = model
        self.external = external
        self._threads = threads

    def open(self, options: Any = None) -> Any:
        """From the bytes."""
        options = options or self._options()
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
        model, files = self._light()
        if files:
            options.add_external_initializers_from_files_in_memory(
                list(files), list(files.values()), [len(data) for data in files.values()]
            )
        return _session(model, options)

    def open_laid_out(self, path: Path) -> Any:
        """From a file of ours; from the bytes if that cannot be read after all."""
        try:
            return _session(str(path), self._options())
        except RuntimeFailed:
            return self.open()

    def lay_out(self, folder: Path) -> None:
        """Write the optimized model, and its weights as they are and as they are packed, for sessions to map."""
        options = self._options()
        options.optimized_model_filepath = str(folder / MODEL)
        for name, value in _LAY_OUT.items():
            options.add_session_config_entry(f"session.{name}", value)
        self.open(options)

    def _light(self) -> tuple[bytes, Mapping[str, bytes]]:
        """What the parser is given, for which it holds up everybody, and the files beside it (``lifting``)."""
        small = None if self.external else lifted(self.model)
        return (self.model, self.external) if small is None else (small, {LIFTED_FROM: self.model})

    def _options(self) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options


def _session(model: bytes | str, options: Any) -> Any:
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions share no base below Exception
        raise RuntimeFailed(_one_line(error)) from None


def _padded(array: Array, size: int) -> Array:
    short = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], short, axis=0)]) if short else array


def _spec(item: Any) -> TensorSpec:
    inner = re.fullmatch(r"tensor\((\w+)\)", item.type)
    dtype = _DTYPES.get(inner[1], inner[1]) if inner else "map" if item.type.startswith("seq(map(") else item.type
    return TensorSpec(item.name, dtype, tuple(axis if isinstance(axis, int) else None for axis in item.shape or ()))


def _one_line(error: Exception) -> str:
    """Without the place in onnxruntime's own source, which would leave no room for what is wrong."""
    return _SOURCE.sub("", " ".join(str(error).split()))[:500]
