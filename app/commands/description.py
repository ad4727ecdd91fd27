"""A version in words and in JSON."""

from collections.abc import Sequence
from typing import Any

import click

from app.commands.output import print_table
from app.registry.example import curl, example_body
from app.registry.manifest import Feature, Manifest

SHOWN = 40
"""Features that are listed for people; JSON has all."""


def facts(manifest: Manifest) -> dict[str, Any]:
    """Everything but the golden rows' numbers."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "task": manifest.task,
        "description": manifest.description,
        "source": manifest.source,
        "created": manifest.created,
        "digest": manifest.digest,
        "features": [_feature(feature) for feature in manifest.features],
        "outputs": {output.name: output.role for output in manifest.outputs},
        "labels": list(manifest.labels),
        "positive_label": manifest.positive_label,
        "probability_name": manifest.probability_name,
        "entity_key": manifest.entity_key,
        "golden_rows": len(manifest.golden),
    }


def print_facts(manifest: Manifest) -> None:
    """The same for people."""
    lines = {
        "model": f"{manifest.name} {manifest.version}",
        "task": manifest.task,
        "about": manifest.description,
        "source": manifest.source,
        "created": manifest.created,
        "outputs": ", ".join(f"{output.name} ({output.role})" for output in manifest.outputs),
        "labels": _labels(manifest),
        "entity key": manifest.entity_key,
        "golden rows": len(manifest.golden),
    }
    for name, value in lines.items():
        if value not in (None, ""):
            click.echo(f"{name + ':':13}{value}")
    click.echo()
    features = manifest.features
    print_table(
        ("FEATURE", "DTYPE", "INPUT", "ALLOWED", "WHEN MISSING", "OBSERVED"), [_row(item) for item in features[:SHOWN]]
    )
    if len(features) > SHOWN:
        click.echo(f"... and {len(features) - SHOWN} more; --json lists all")


def example_command(address: str, manifest: Manifest, asks_for_key: bool) -> str | None:
    """A curl that predicts with this version; None without a golden row."""
    body = example_body(manifest)
    path = f"/v1/models/{manifest.name}/versions/{manifest.version}/predict"
    return curl(address, path, body, "YOUR-KEY" if asks_for_key else "") if body else None


def _feature(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "input": feature.input,
        "range": list(feature.range) if feature.range else None,
        "categories": list(feature.categories) if feature.categories else None,
        "missing": feature.missing,
        "impute": feature.impute,
        "observed": feature.observed,
    }


def _labels(manifest: Manifest) -> str:
    positive = manifest.positive_label
    answered = "" if positive is None else f"; probability is that of {positive}"
    renamed = f", also called {manifest.probability_name}" if manifest.probability_name else ""
    return _few(manifest.labels) + answered + renamed if manifest.labels else ""


def _row(feature: Feature) -> tuple[Any, ...]:
    shape = "x".join("n" if axis is None else str(axis) for axis in feature.shape)
    dtype = f"{feature.dtype} {shape}".strip()
    missing = {"reject": "refused", "nan": "NaN", "impute": f"becomes {feature.impute}"}[feature.missing]
    return feature.name, dtype, feature.input, _allowed(feature), missing, _observed(feature)


def _allowed(feature: Feature) -> str:
    if feature.categories is not None:
        return _few(feature.categories)
    low, high = feature.range or (None, None)
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}".strip()


def _observed(feature: Feature) -> str:
    seen = feature.observed or {}
    if "min" in seen:
        return f"{seen['min']:g} .. {seen['max']:g}"
    return (
        _few(list(seen["counts"])) if "counts" in seen else f"{seen['distinct']} values" if "distinct" in seen else ""
    )


def _few(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values[:6])) + (", ..." if len(values) > 6 else "")
