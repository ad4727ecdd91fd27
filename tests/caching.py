"""What tests of the cache share: deployment files that force a tier, the figures of one model, a client of bodies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.client import Answer
from tests.servers import RedisServer, Server

PREDICT = "/v1/models/linear/predict"
SLOW = "/v1/models/slow/predict"


def deployment(folder: Path, text: str = "cache: {l1: on, l2: on}\n") -> dict[str, str]:
    """The variables of a server with that deployment file."""
    path = folder / "deployment.yaml"
    path.write_text(text)
    return {"SLUICE_DEPLOYMENT_FILE": str(path)}


def shared_by(redis: RedisServer, **more: str) -> dict[str, str]:
    """The variables of a server on that Redis."""
    return {"SLUICE_REDIS_URL": redis.url, "SLUICE_CACHE_SECRET": "the tests' own", **more}


def ask(server: Server, *row: float, headers: Mapping[str, str] | None = None) -> Answer:
    """One row of ``linear``, the answer checked: x + 2 y + 0.5."""
    answer = server.post(PREDICT, {"features": list(row)}, headers)
    assert answer.status == 200, answer
    assert answer.json()["prediction"] == row[0] + 2 * row[1] + 0.5
    return answer


def source(answer: Answer) -> str:
    """Where an answer says that it came from; its body must agree."""
    said = answer.headers["x-cache"]
    assert answer.json()["cached"] is said.startswith("hit")
    assert ("age" in answer.headers) is said.startswith("hit")
    return said


def stats(server: Server) -> dict[str, Any]:
    """``/cache-stats``."""
    answer = server.get("/cache-stats")
    assert answer.status == 200, answer
    told: dict[str, Any] = answer.json()
    return told


def model_stats(server: Server, model: str) -> dict[str, Any]:
    """One model's part of it."""
    (found,) = [item for item in stats(server)["models"] if item["model"] == model]
    told: dict[str, Any] = found
    return told


def content(answer: Answer) -> bytes:
    """An answer without what differs from request to request by design."""
    body = orjson.loads(answer.body)
    for name in ("request_id", "cached"):
        body.pop(name)
    return orjson.dumps(body)
