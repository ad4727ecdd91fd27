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


def curl(address: str, path: str, body: dict[str, Any]) -> str:
    """The command that sends the body, quoted for a shell."""
    return f"curl -s {address}{path} -H 'Content-Type: application/json' -d {shlex.quote(orjson.dumps(body).decode())}"
