"""Observers are told everything, and never disturb the request or each other."""

from typing import Any

import structlog
from structlog.testing import capture_logs

from app.errors import Forbidden, InvalidInput, Overloaded, QuotaExceeded, Unauthenticated
from app.telemetry.metrics import Facts, NullMetrics, Observers, fan_out, tell_refusal

FACTS = Facts("churn", "v2", 3, "miss")


class Notebook:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        self.told.append((route, status, seconds, facts))

    def refused(self, gate: str, reason: str) -> None:
        self.told.append((gate, reason))

    def dropped(self, what: str, count: int = 1) -> None:
        self.told.append((what, count))

    def batch(self, model: str, rows: int) -> None:
        self.told.append((model, rows))


class Broken(Notebook):
    """Raises at everything."""

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        raise OSError("out of ink")

    def refused(self, gate: str, reason: str) -> None:
        raise OSError("out of ink")

    def dropped(self, what: str, count: int = 1) -> None:
        raise OSError("out of ink")

    def batch(self, model: str, rows: int) -> None:
        raise OSError("out of ink")


def test_everyone_is_told() -> None:
    first, second = Notebook(), Notebook()
    metrics = fan_out({"first": first, "second": second}, structlog.get_logger())
    metrics.request("/predict", 200, 0.01, FACTS)
    metrics.refused("quota", "rows in 60 s")
    metrics.dropped("access_log", 2)
    metrics.batch("churn", 32)
    assert first.told == second.told
    assert first.told == [("/predict", 200, 0.01, FACTS), ("quota", "rows in 60 s"), ("access_log", 2), ("churn", 32)]


def test_one_that_raises_disturbs_neither_the_request_nor_the_others() -> None:
    before, after = Notebook(), Notebook()
    metrics = Observers({"before": before, "broken": Broken(), "after": after}, structlog.get_logger())
    with capture_logs() as logs:
        for _ in range(5):
            metrics.request("/predict", 200, 0.01, FACTS)
        metrics.refused("auth", "unauthenticated")
        metrics.dropped("statsd")
    assert metrics.failures == {"broken": 7}
    for notebook in (before, after):
        assert notebook.told.count(("/predict", 200, 0.01, FACTS)) == 5
        assert notebook.told.count(("broken", 1)) == 7, "what was not observed is counted as dropped"
    assert [log["event"] for log in logs] == ["observer_failed"], "said once, not seven times"


def test_nobody_need_listen() -> None:
    metrics = fan_out({}, structlog.get_logger())
    assert isinstance(metrics, NullMetrics)
    metrics.request("/predict", 200, 0.01, FACTS)
    metrics.refused("auth", "unauthenticated")
    metrics.dropped("statsd")


def test_refusals_are_counted_by_gate_and_reason() -> None:
    notebook = Notebook()
    for error in (
        Unauthenticated(),
        Forbidden("predict"),
        QuotaExceeded("rows", 10, 60, 1.0),
        Overloaded(1.0),
        InvalidInput({"a": ["b"]}),
    ):
        tell_refusal(notebook, error)
    assert notebook.told == [
        ("auth", "unauthenticated"),
        ("role", "forbidden"),
        ("quota", "rows in 60 s"),
        ("load", "overloaded"),
    ]
