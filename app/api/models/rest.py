"""Routes that describe models."""

from typing import Any

from flask import Blueprint

from app.api.access import needs
from app.api.asking import may_see
from app.api.json import json_response
from app.api.models.schemas import ModelListSchema, ModelSchema
from app.registry.example import example_body
from app.registry.manifest import Feature
from app.registry.registry import Model, VersionState
from app.services import services

blueprint = Blueprint("models", __name__, url_prefix="/v1/models")


@blueprint.get("")
@needs("models:read")
def list_models() -> Any:
    """Every model that the caller may see, and its versions."""
    registry = services().registry
    models = [_summary(model) for model in registry.models.values() if may_see(model.name)]
    default = registry.default_model
    body = {"default_model": default if default and may_see(default) else None, "models": models}
    return json_response(ModelListSchema().dump(body))


@blueprint.get("/<name>")
@needs("models:read")
def describe_model(name: str) -> Any:
    """One model: its versions, its features, and a body that predicts as it stands."""
    model = services().registry.model(name)
    return json_response(ModelSchema().dump(_summary(model) | _details(model)))


def _summary(model: Model) -> dict[str, Any]:
    served = model.served
    return {
        "name": model.name,
        "ready": served is not None,
        "task": served.manifest.task if served else None,
        "description": served.manifest.description if served else None,
        "default_version": model.default,
        "versions": [_version(state) for state in model.versions.values()],
    }


def _version(state: VersionState) -> dict[str, Any]:
    manifest = state.served.manifest if state.served else None
    return {
        "version": state.version,
        "state": "served" if manifest else "refused",
        "reason": state.reason,
        "digest": manifest.digest if manifest else None,
        "created": manifest.created if manifest else None,
        "load_ms": round(state.load_ms, 1),
    }


def _details(model: Model) -> dict[str, Any]:
    if model.served is None:
        return {"features": [], "example": None}
    manifest = model.served.manifest
    return {
        "source": manifest.source,
        "entity_key": manifest.entity_key,
        "labels": list(manifest.labels),
        "probability_name": manifest.probability_name,
        "features": [_feature(feature) for feature in manifest.features],
        "example": example_body(manifest),
    }


def _feature(feature: Feature) -> dict[str, Any]:
    policies = {
        "reject": "refused when missing",
        "impute": f"{feature.impute!r} is used when missing",
        "nan": "passed to the model as NaN when missing",
    }
    return {
        "name": feature.name,
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "range": list(feature.range) if feature.range else None,
        "categories": list(feature.categories) if feature.categories else None,
        "missing": feature.missing,
        "impute": feature.impute,
        "policy": policies[feature.missing],
        "decimals": feature.decimals,
        "observed": feature.observed,
        "description": feature.description,
    }
