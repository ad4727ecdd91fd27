"""What server and models say of themselves in the protocol's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.oip.datatypes import datatype_of
from app.registry.registry import Model
from app.registry.version import ServedVersion
from app.runtimes.base import TensorSpec
from app.tensors import NUMPY_DTYPES

SERVER_NAME = "sluice"
EXTENSIONS = ("binary_tensor_data", "model_repository", "statistics")
PLATFORM = "onnxruntime_onnx"
"""As Triton names ONNX files that onnxruntime runs; clients are known to look at it."""


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
    """The ONNX outputs; a list of label -> probability maps is a matrix with one column per label."""
    return [_output(item, version.manifest.labels) for item in version.outputs]


def _output(item: TensorSpec, labels: Sequence[Any]) -> TensorMetadata:
    if item.dtype == "map":
        return TensorMetadata(item.name, "FP32", (-1, len(labels)))
    return TensorMetadata(item.name, _datatype(item.dtype), _shape(item))


def _shape(item: TensorSpec) -> tuple[int, ...]:
    return (-1, *(-1 if axis is None else axis for axis in item.shape[1:]))


def _datatype(dtype: str) -> str:
    return datatype_of(np.dtype(NUMPY_DTYPES.get(dtype, np.float32)))
