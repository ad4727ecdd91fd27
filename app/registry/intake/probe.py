"""Asking the model itself, through the same code that will serve it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.errors import InvalidInput, ModelFailed
from app.registry.manifest import Feature, Manifest
from app.registry.version import ServedVersion
from app.runtimes.base import Runtime
from app.tensors import Array, Records

Row = Mapping[str, Any]


class Probe:
    """A model with features that may still change."""

    def __init__(self, manifest: Manifest, runtime: Runtime) -> None:
        self._manifest = manifest
        self._runtime = runtime
        self._version = ServedVersion(manifest, runtime)

    def with_features(self, features: Sequence[Feature]) -> "Probe":
        """The same model told other things about its features."""
        return Probe(replace(self._manifest, features=tuple(features)), self._runtime)

    def run(self, rows: Sequence[Row]) -> dict[str, Array]:
        """Outputs by name.

        Raises:
            InvalidInput, ModelFailed
        """
        feed, _ = self._version.encoder.encode(Records(rows))
        return self._version.run(feed)

    def fault(self, row: Row) -> str | None:
        """Why a row gets no answer of finite numbers; None when it gets one."""
        try:
            outputs = self.run([row])
        except InvalidInput as error:
            return str(error)
        except ModelFailed as error:
            return error.reason
        numbers = [array for array in outputs.values() if array.dtype.kind == "f"]
        return None if all(np.isfinite(array).all() for array in numbers) else "the answer is NaN or infinite"

    def takes(self, row: Row) -> bool:
        """Whether a row gets an answer of finite numbers."""
        return self.fault(row) is None
