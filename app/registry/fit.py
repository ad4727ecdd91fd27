"""Does a manifest fit the model file it describes? Asked once per load, so that no request finds out."""

from collections.abc import Sequence

from app.errors import ModelRefused
from app.registry.manifest import Feature, Manifest
from app.runtimes.base import Runtime, TensorSpec


def check_fit(manifest: Manifest, runtime: Runtime) -> None:
    """Every ONNX input is fed by as many features as it has columns, every named output exists and has its labels.

    Raises:
        ModelRefused: names the input, output or feature at fault.
    """
    inputs = {item.name: item for item in runtime.inputs}
    for feature in manifest.features:
        if feature.input not in inputs:
            raise ModelRefused(f"feature '{feature.name}' feeds '{feature.input}'; the inputs are {', '.join(inputs)}")
    for spec in runtime.inputs:
        _check_input(spec, [feature for feature in manifest.features if feature.input == spec.name])
    outputs = {item.name: item for item in runtime.outputs}
    for output in manifest.outputs:
        if output.name not in outputs:
            raise ModelRefused(f"the model has no output '{output.name}'; it has {', '.join(sorted(outputs))}")
        if output.role in ("probabilities", "logits"):
            _check_labels(outputs[output.name], len(manifest.labels))


def _check_input(spec: TensorSpec, features: Sequence[Feature]) -> None:
    if any(feature.shape for feature in features):
        _check_shape(spec, features)
    else:
        wanted = 1 if len(spec.shape) == 1 else spec.shape[-1] if spec.shape else None
        if not features or (wanted is not None and len(features) != wanted):
            raise ModelRefused(
                f"input '{spec.name}' takes {wanted or 'some'} columns, {len(features)} features feed it"
            )
    for feature in features:
        if (spec.dtype == "string") != (feature.dtype == "string"):
            raise ModelRefused(f"input '{spec.name}' is of {spec.dtype}, feature '{feature.name}' of {feature.dtype}")


def _check_shape(spec: TensorSpec, features: Sequence[Feature]) -> None:
    if len(features) > 1:
        raise ModelRefused(f"input '{spec.name}' takes one shaped feature, {len(features)} feed it")
    shape = features[0].shape
    axes = zip(spec.shape[1:], shape, strict=False)
    if len(spec.shape) != len(shape) + 1 or any(None not in pair and pair[0] != pair[1] for pair in axes):
        raise ModelRefused(f"input '{spec.name}' takes rows of {_axes(spec.shape[1:])}, its feature has {_axes(shape)}")


def _check_labels(spec: TensorSpec, labels: int) -> None:
    if not labels:
        raise ModelRefused(f"output '{spec.name}' holds one column per label; the manifest has no labels")
    columns = spec.shape[1] if len(spec.shape) == 2 else None
    if spec.dtype != "map" and columns is not None and columns != labels and (columns, labels) != (1, 2):
        raise ModelRefused(f"output '{spec.name}' has {columns} columns, the manifest {labels} labels")


def _axes(shape: Sequence[int | None]) -> str:
    return "x".join("n" if axis is None else str(axis) for axis in shape) or "plain values"
