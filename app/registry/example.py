"""A request that works, for people who have just met a model."""

import shlex
from typing import Any

import orjson

from app.registry.manifest import Manifest


def example_body(manifest: Manifest) -> dict[str, Any] | None:
    """A body made of the first golden row; None for a model that was added without one."""
    if not manifest.golden:
        return None
    entity = {manifest.entity_key: "C-1"} if manifest.entity_key else {}
    return entity | {"features": dict(manifest.golden[0].features)}


def curl(address: str, path: str, body: dict[str, Any], key: str = "") -> str:
    """The command that sends the body, quoted for a shell; with a key where the server asks for one."""
    shown = f"-H {shlex.quote(f'X-API-Key: {key}')} " if key else ""
    text = shlex.quote(orjson.dumps(body).decode())
    return f"curl -s {address}{path} {shown}-H 'Content-Type: application/json' -d {text}"
