"""JSON Schema of a model's rows and answers, from its manifest. Says exactly what the encoder accepts."""

from functools import reduce
from typing import Any

import numpy as np

from app.api.prediction.schemas import MAX_ENTITY_LENGTH
from app.registry.example import example_body
from app.registry.manifest import Feature, Manifest
from app.tensors import NUMPY_DTYPES


def body_schema(manifest: Manifest, max_rows: int) -> dict[str, Any]:
    """One row or many; the ``columns`` form needs lists of equal length, which JSON Schema cannot say."""
    by_name = _record(manifest, {})
    in_order = {
        "type": "array",
        "prefixItems": [_feature(feature) for feature in manifest.features],
        "items": False,
        "minItems": len(manifest.features),
        "maxItems": len(manifest.features),
    }
    many = [_many(_record(manifest, _entity(manifest)), max_rows), _many(in_order, max_rows)]
    return {
        "description": "One row as `features`, several as `instances`, or `columns` with one list per feature.",
        "oneOf": [
            _object({"features": {"oneOf": [by_name, in_order]}} | _entity(manifest), ["features"]),
            *(_object({"instances": rows}, ["instances"]) for rows in many),
        ],
    }


def body_examples(manifest: Manifest) -> dict[str, Any]:
    """Bodies that predict as they stand."""
    one = example_body(manifest)
    if one is None:
        return {}
    features = one["features"]
    return {
        "one": {"summary": "one row", "value": one},
        "many": {"summary": "several rows", "value": {"instances": [features, features]}},
        "columns": {"summary": "by column", "value": {"columns": {name: [value] for name, value in features.items()}}},
    }


def answer_schema(manifest: Manifest) -> dict[str, Any]:
    """What comes back."""
    row: dict[str, Any] = {"prediction": {}}
    if manifest.task == "classification":
        share = {"type": "number"}
        row["probability"] = share
        row["probabilities"] = {"type": "object", "additionalProperties": share}
        if manifest.probability_name:
            row[manifest.probability_name] = share
    row |= _entity(manifest)
    tail = {
        "model": {"type": "string"},
        "model_version": {"type": "string"},
        "cached": {"type": "boolean"},
        "request_id": {"type": "string"},
    }
    many = {
        "predictions": {"type": "array", "items": {"type": "object", "properties": row, "required": ["prediction"]}}
    }
    return {
        "oneOf": [
            {"type": "object", "properties": row | tail, "required": ["prediction", *tail]},
            {"type": "object", "properties": many | tail, "required": ["predictions", *tail]},
        ]
    }


def _many(row: dict[str, Any], max_rows: int) -> dict[str, Any]:
    return {"type": "array", "items": row, "minItems": 1, "maxItems": max_rows}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _record(manifest: Manifest, entity: dict[str, Any]) -> dict[str, Any]:
    required = [feature.name for feature in manifest.features if feature.missing == "reject"]
    return _object({feature.name: _feature(feature) for feature in manifest.features} | entity, required)


def _entity(manifest: Manifest) -> dict[str, Any]:
    if not manifest.entity_key:
        return {}
    bounds = np.iinfo(np.int64)
    return {
        manifest.entity_key: {
            "oneOf": [
                {"type": "string", "maxLength": MAX_ENTITY_LENGTH},
                {"type": "integer", "minimum": int(bounds.min), "maximum": int(bounds.max)},
            ]
        }
    }


def _feature(feature: Feature) -> dict[str, Any]:
    value = _cell(feature)
    schema = reduce(_listed, reversed(feature.shape), value)
    if feature.missing != "reject" and not feature.shape:
        schema = {"oneOf": [schema, {"type": "null"}]}
    return schema | ({"description": feature.description} if feature.description else {})


def _listed(items: dict[str, Any], length: int | None) -> dict[str, Any]:
    return {"type": "array", "items": items} | ({"minItems": length, "maxItems": length} if length else {"minItems": 1})


def _cell(feature: Feature) -> dict[str, Any]:
    if feature.categories is not None:
        return {"enum": list(feature.categories)}
    if feature.dtype in ("string", "bool"):
        return {"type": {"string": "string", "bool": "boolean"}[feature.dtype]}
    low, high = feature.range or (None, None)
    least, most = _finite(feature.dtype)
    return {
        "type": "integer" if "int" in feature.dtype else "number",
        "minimum": least if low is None else low,
        "maximum": most if high is None else high,
    }


def _finite(dtype: str) -> tuple[float, float]:
    held = np.dtype(NUMPY_DTYPES[dtype])
    info: Any = np.finfo(held) if held.kind == "f" else np.iinfo(held)
    number = float if held.kind == "f" else int
    return number(info.min), number(info.max)
