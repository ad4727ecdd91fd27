"""One loaded version: its manifest, its runtime, and the two translators compiled for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.errors import InvalidInput, ModelFailed, ModelRefused
from app.registry.encoder import Encoder
from app.registry.fit import check_fit
from app.registry.interpreter import Interpreter
from app.registry.manifest import GoldenRow, Manifest
from app.registry.manifest_file import fingerprint
from app.runtimes.base import Runtime, RuntimeFailed
from app.tensors import Array, Feed, Records


class ServedVersion:
    """Ready to answer. Immutable; shared by all request threads of a worker."""

    def __init__(self, manifest: Manifest, runtime: Runtime) -> None:
        check_fit(manifest, runtime)
        self.manifest = manifest
        self.label = f"{manifest.name}/{manifest.version}"
        self.digest = fingerprint(manifest)
        self.inputs = runtime.inputs
        self.outputs = runtime.outputs
        self.encoder = Encoder(manifest.features, runtime.inputs, manifest.entity_key)
        self.interpreter = Interpreter(manifest, [item.name for item in runtime.outputs])
        self._runtime = runtime

    @property
    def queued_rows(self) -> int:
        """Rows that wait for this version's engine."""
        return self._runtime.queued_rows

    def run(self, feed: Feed) -> dict[str, Array]:
        """Outputs by name for an encoded feed.

        Raises:
            ModelFailed: the runtime would not compute it.
        """
        try:
            return self.interpreter.arrays(self._runtime.run(feed))
        except (RuntimeFailed, ValueError) as error:
            raise ModelFailed(self.manifest.name, self.manifest.version, str(error)) from None

    def learn(self) -> None:
        """Warm the runtime up, and let it measure itself, on the golden rows."""
        if self.manifest.golden:
            self._runtime.learn(self.golden_feed())

    def verify(self) -> int:
        """Run every golden row and compare; the number of rows that reproduced.

        Raises:
            ModelRefused: a row does not give the outputs it gave when the model was added.
        """
        for number, row in enumerate(self.manifest.golden):
            try:
                feed, _ = self.encoder.encode(Records([row.features], "features"))
                outputs = self.run(feed)
            except (InvalidInput, ModelFailed) as error:
                reason = error.reason if isinstance(error, ModelFailed) else str(error)
                raise ModelRefused(f"golden row {number}: {reason}") from None
            _compare(row, outputs, number, self.manifest.tolerance)
        return len(self.manifest.golden)

    def golden_feed(self) -> Feed:
        """All golden rows at once; the first alone where their lists are of several lengths."""
        rows = [row.features for row in self.manifest.golden]
        try:
            return self.encoder.encode(Records(rows))[0]
        except InvalidInput:
            return self.encoder.encode(Records(rows[:1]))[0]


def _compare(row: GoldenRow, outputs: Mapping[str, Array], number: int, tolerance: float) -> None:
    for name, expected in row.outputs.items():
        if name not in outputs:
            raise ModelRefused(f"golden row {number}: the model has no output '{name}'")
        actual = outputs[name][0]
        if not _same(actual, expected, tolerance):
            raise ModelRefused(f"golden row {number}: '{name}' gave {_brief(actual)}, expected {_brief(expected)}")


def _same(actual: Any, expected: Any, tolerance: float) -> bool:
    left, right = np.asarray(actual), np.asarray(expected)
    if left.shape != right.shape:
        return False
    if left.dtype.kind not in "fiub":
        return bool((left == right).all())
    if right.dtype.kind not in "fiub" or not np.isfinite(left).all():
        return False
    return bool(np.allclose(left, right, rtol=tolerance, atol=tolerance))


def _brief(value: Any) -> str:
    text = str(np.asarray(value).tolist())
    return text if len(text) <= 80 else text[:77] + "..."
