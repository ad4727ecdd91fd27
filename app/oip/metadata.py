"""What server and models say of themselves in the protocol's words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.oip.datatypes import datatype_of
from app.registry.manifest import Manifest
from app.registry.registry import Model
from app.registry.version import ServedVersion
from app.runtimes.base import TensorSpec
from app.tensors import NUMPY_DTYPES

SERVER_NAME = "sluice"
EXTENSIONS = ("binary_tensor_data", "model_repository", "statistics")
PLATFORM = "onnxruntime_onnx"
"""As Triton names ONNX files that onnxruntime runs; clients are known to look at it."""

_LISTED = {"seq(tensor(double))": "float64", "seq(tensor(int64))": "int64", "seq(tensor(string))": "string"}
"""Lists of arrays as onnxruntime calls them, and what is in them; in others, and in maps, it is float32."""


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output; -1 stands for an axis of free length, the first of which is the row."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def served_versions(model: Model) -> list[str]:
    """The versions that can be asked, oldest first."""
    return [state.version for state in model.versions.values() if state.served]


def inputs_of(version: ServedVersion) -> list[TensorMetadata]:
    """The ONNX inputs. Features by their own names are taken too, but need not be sent so."""
    return [TensorMetadata(item.name, _datatype(item.dtype), _shape(item)) for item in version.inputs]


def outputs_of(version: ServedVersion) -> list[TensorMetadata]:
    """The ONNX outputs. Files say too little of lists, and some say what is not so: golden rows have the last word."""
    return [TensorMetadata(item.name, _datatype(item.dtype), _seen(item, version.manifest)) for item in version.outputs]


def _seen(item: TensorSpec, manifest: Manifest) -> tuple[int, ...]:
    """The shape as declared, as far as the first golden row agrees.

    A list of label -> probability maps is a matrix with one column per label.
    """
    declared = (-1, len(manifest.labels)) if item.dtype == "map" else _shape(item)
    golden = manifest.golden[0].outputs.get(item.name) if manifest.golden else None
    if golden is None:
        return declared
    lengths = _lengths(golden)
    known = (*declared[1:], *(-1 for _ in lengths))
    return (-1, *(axis if axis == length else -1 for axis, length in zip(known, lengths, strict=False)))


def _lengths(value: Any) -> tuple[int, ...]:
    """Of nested lists, level by level."""
    return (len(value), *_lengths(value[0] if value else None)) if isinstance(value, list) else ()


def _shape(item: TensorSpec) -> tuple[int, ...]:
    return (-1, *(-1 if axis is None else axis for axis in item.shape[1:]))


def _datatype(dtype: str) -> str:
    return datatype_of(np.dtype(NUMPY_DTYPES.get(_LISTED.get(dtype, dtype), np.float32)))
