"""A request that works, for people who have just met a model."""

import shlex
from math import ceil, floor, inf
from typing import Any

import orjson

from app.registry.manifest import Feature, Manifest


def example_body(manifest: Manifest) -> dict[str, Any] | None:
    """A body made of the first golden row; None for a model that was added without one."""
    if not manifest.golden:
        return None
    entity = {manifest.entity_key: "C-1"} if manifest.entity_key else {}
    return entity | {"features": dict(manifest.golden[0].features)}


def made_up_body(manifest: Manifest) -> dict[str, Any] | None:
    """The same of no one's values, for pages that anybody may read: golden rows may be rows of somebody."""
    real = example_body(manifest)
    if real is None:
        return None
    values = {feature.name: _typical(feature, real["features"].get(feature.name)) for feature in manifest.features}
    return real | {"features": {name: values[name] for name in real["features"]}}


def _typical(feature: Feature, like: Any) -> Any:
    """A value of the same kind: the mean of the sample, the first category."""
    if isinstance(like, list):
        return [_typical(feature, item) for item in like]
    if like is None or isinstance(like, bool):
        return like
    if feature.categories:
        return feature.categories[0]
    return _number(feature, isinstance(like, int)) if isinstance(like, int | float) else "text"


def _number(feature: Feature, whole: bool) -> float:
    low, high = feature.range or (None, None)
    least, most = -inf if low is None else low, inf if high is None else high
    middle = float((feature.observed or {}).get("mean", 0 if low is None else low))
    inside = min(max(middle, least), most)
    if whole:
        return next((n for n in (round(inside), ceil(inside), floor(inside)) if least <= n <= most), round(inside))
    return min(max(round(inside, 4), least), most)


def curl(address: str, path: str, body: dict[str, Any], key: str = "") -> str:
    """The command that sends the body, quoted for a shell; with a key where the server asks for one."""
    shown = f"-H {shlex.quote(f'X-API-Key: {key}')} " if key else ""
    text = shlex.quote(orjson.dumps(body).decode())
    return f"curl -s {address}{path} {shown}-H 'Content-Type: application/json' -d {text}"
