"""What every refusal looks like, in one place."""

import json
from pathlib import Path
from typing import Any

from tests.client import Answer
from tests.programs import wait_until
from tests.servers import Server

KEYS = {"type", "title", "status", "detail", "request_id"}
QUICK_MS = 50.0
"""A small body is refused within this, as the server itself measures it."""


def assert_refused(answer: Answer, status: int, field: str | None = None, says: str = "") -> dict[str, Any]:
    """The problem document, after checking that it is one, and that it names the field with those words."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert KEYS <= document.keys() <= KEYS | {"errors"}
    assert document["status"] == status
    assert document["type"].startswith("urn:sluice:problem:")
    assert document["title"]
    assert document["request_id"] == answer.headers["x-request-id"]
    if field is None:
        assert says in document["detail"], document
    else:
        assert field in document["errors"], document
        assert says in " ".join(document["errors"][field]), document
    return document


def access_line(server: Server, request_id: str) -> dict[str, Any]:
    """The line that the access log holds for a request."""
    wait_until(lambda: bool(_lines(server, request_id)), 2, f"an access line of {request_id}")
    return _lines(server, request_id)[0]


def _lines(server: Server, request_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.splitlines() if request_id in line and line.endswith("}")]
    return [line for line in lines if line["event"] == "request" and line["request_id"] == request_id]


def milliseconds(server: Server, answer: Answer) -> float:
    """How long the server says the request took."""
    return float(access_line(server, answer.headers["x-request-id"])["duration_ms"])


def assert_quick(server: Server, answer: Answer, limit: float = QUICK_MS) -> None:
    """Fails unless the server took no longer than that.

    Where the machine has other work a request may wait for its turn: one that took longer is asked again, and the time
    that the server really spent on a processor counts.
    """
    times = [milliseconds(server, answer)]
    while times[-1] > limit and len(times) < 6 and answer.sent:
        before = _on_processor(server)
        server.send(answer.sent)
        times.append(_on_processor(server) - before)
    assert min(times) <= limit, f"{times} ms"


def _on_processor(server: Server) -> float:
    """Milliseconds that the workers' threads have run."""
    tasks = [task for pid in server.workers for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6
