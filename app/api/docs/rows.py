"""JSON Schema of a model's rows and answers, from its manifest. Says exactly what the encoder accepts."""

from functools import reduce
from typing import Any

import numpy as np

from app.api.prediction.schemas import MAX_ENTITY, MAX_ENTITY_LENGTH, MIN_ENTITY
from app.registry.example import made_up_body
from app.registry.manifest import Feature, Manifest
from app.registry.numbers import widest
from app.tensors import NUMPY_DTYPES


def row_schemas(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The components that the bodies of one version refer to, by their names."""
    names = {feature.name: _feature(feature) for feature in manifest.features}
    required = [feature.name for feature in manifest.features if feature.missing == "reject"]
    width = len(manifest.features)
    in_order = {"type": "array", "prefixItems": list(names.values()), "minItems": width, "maxItems": width}
    return {
        _component(manifest, "features"): _object(names, required),
        _component(manifest, "values"): in_order,
        _component(manifest, "row"): _object(names | _entity(manifest), required),
        _component(manifest, "columns"): _columns(manifest, required),
    }


def body_schema(manifest: Manifest, max_rows: int) -> dict[str, Any]:
    """One row or many, in each form."""
    features, values, row, columns = ({"$ref": f"#/components/schemas/{name}"} for name in row_schemas(manifest))
    nested = [_object({"features": inner} | _entity(manifest), ["features"]) for inner in (features, values)]
    many = [{"type": "array", "items": item, "minItems": 1, "maxItems": max_rows} for item in (row, values, *nested)]
    return {
        "description": "One row as `features`, several as `instances`, or `columns` with one list per feature.",
        "oneOf": [
            *nested,
            _object({"instances": {"oneOf": many}}, ["instances"]),
            _object({"columns": columns}, ["columns"]),
        ],
    }


def body_examples(manifest: Manifest) -> dict[str, Any]:
    """Bodies that predict as they stand, and tell nothing of the rows that the model came with."""
    one = made_up_body(manifest)
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


def cell_schema(feature: Feature, dtype: str) -> dict[str, Any]:
    """One value of a feature within a tensor of that dtype; a truth among numbers is 0 or 1."""
    cell = {"enum": [0, 1]} if feature.dtype == "bool" and dtype != "bool" else _cell(feature)
    return {"oneOf": [cell, {"type": "null"}]} if feature.missing != "reject" and not feature.shape else cell


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _columns(manifest: Manifest, required: list[str]) -> dict[str, Any]:
    """JSON Schema cannot say "of the same length", so several columns are shown with one value each."""
    cells = {feature.name: _feature(feature) for feature in manifest.features} | _entity(manifest)
    lists = {name: _listed(cell, 1 if len(cells) > 1 else None) for name, cell in cells.items()}
    about = "One list per feature, all of the same length, up to as many rows as `instances` may hold."
    return _object(lists, required or list(lists)[:1]) | {"description": about}


def _component(manifest: Manifest, part: str) -> str:
    return f"{manifest.name}.{manifest.version}.{part}"


def _entity(manifest: Manifest) -> dict[str, Any]:
    if not manifest.entity_key:
        return {}
    return {
        manifest.entity_key: {
            "oneOf": [
                {"type": "string", "maxLength": MAX_ENTITY_LENGTH},
                {"type": "integer", "minimum": MIN_ENTITY, "maximum": MAX_ENTITY},
            ]
        }
    }


def _feature(feature: Feature) -> dict[str, Any]:
    value = _cell(feature)
    schema = reduce(_listed, reversed(feature.shape), value)
    if feature.missing != "reject":
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
    least, most = widest(np.dtype(NUMPY_DTYPES[feature.dtype]))
    return {
        "type": "integer" if "int" in feature.dtype else "number",
        "minimum": least if low is None else low,
        "maximum": most if high is None else high,
    }
