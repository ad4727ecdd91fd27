"""What the application tells about itself while it works, and to whom.

The doors and the gate make one call; whoever observes is behind it. Observers are strangers to each other: one that
raises is counted, said once a minute, and neither the request nor another observer notices.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple, Protocol

from app.errors import (
    DeadlineExceeded,
    Forbidden,
    GateUnavailable,
    Overloaded,
    QuotaExceeded,
    Unauthenticated,
)
from app.tensors import Prediction

COMPLAIN_S = 60.0

_REFUSALS: Mapping[type[Exception], tuple[str, str]] = {
    Unauthenticated: ("auth", "unauthenticated"),
    Forbidden: ("role", "forbidden"),
    GateUnavailable: ("quota", "state-away"),
    Overloaded: ("load", "overloaded"),
    DeadlineExceeded: ("load", "deadline"),
}


class Facts(NamedTuple):
    """What is known of a prediction, as far as it came; a model is named only if it exists.

    ``cache`` is where the answer came from, ``route`` why this version gave it.
    """

    model: str = ""
    version: str = ""
    rows: int = 0
    cache: str = ""
    route: str = ""
    variant: str | None = None

    @classmethod
    def of(cls, it: Prediction) -> "Facts":
        """Everything, of one that was given."""
        return cls(it.model, it.version, it.rows, it.source, it.reason, it.variant)


NO_FACTS = Facts()


class Metrics(Protocol):
    """What can be told. Every call returns at once and never raises."""

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        """A request was answered.

        Args:
            route: the rule of the address (``/v1/models/<name>/predict``), empty when none matched; never the path.
            status: of the answer.
            seconds: from the first line of ours to the last.
            facts: of its prediction.
        """
        ...

    def refused(self, gate: str, reason: str) -> None:
        """A caller was turned away: ``gate`` is auth, role, quota or load, ``reason`` one of a few fixed words."""
        ...

    def dropped(self, what: str, count: int = 1) -> None:
        """Something that is only told about (a metric, a log line) was lost; ``what`` is its fixed name."""
        ...

    def batch(self, model: str, rows: int) -> None:
        """Rows of one caller or of several went through a model that stands in line, as one run."""
        ...


class NullMetrics:
    """Nobody listens."""

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        """See ``Metrics.request``."""

    def refused(self, gate: str, reason: str) -> None:
        """See ``Metrics.refused``."""

    def dropped(self, what: str, count: int = 1) -> None:
        """See ``Metrics.dropped``."""

    def batch(self, model: str, rows: int) -> None:
        """See ``Metrics.batch``."""


class Observers:
    """Tells everyone. ``failures`` counts by name of the observer."""

    def __init__(self, observers: Mapping[str, Metrics], log: Any) -> None:
        self._observers = dict(observers)
        self._requests = [(name, one.request) for name, one in observers.items()]
        self._log = log
        self._complained: dict[str, float] = {}
        self.failures: Counter[str] = Counter()

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        """See ``Metrics.request``."""
        for name, tell in self._requests:
            try:
                tell(route, status, seconds, facts)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the observer's, not the request's
                self._failed(name, error)

    def refused(self, gate: str, reason: str) -> None:
        """See ``Metrics.refused``."""
        self._tell(lambda one: one.refused(gate, reason))

    def dropped(self, what: str, count: int = 1) -> None:
        """See ``Metrics.dropped``."""
        self._tell(lambda one: one.dropped(what, count))

    def batch(self, model: str, rows: int) -> None:
        """See ``Metrics.batch``."""
        self._tell(lambda one: one.batch(model, rows))

    def _tell(self, tell: Callable[[Metrics], None]) -> None:
        for name, one in self._observers.items():
            try:
                tell(one)
            except Exception as error:  # noqa: BLE001
                self._failed(name, error)

    def _failed(self, name: str, error: Exception) -> None:
        """Count it, tell the others that an observation is lost, and say why, but not each time."""
        self.failures[name] += 1
        for other, one in self._observers.items():
            if other != name:
                with suppress(Exception):
                    one.dropped(name)
        now = monotonic()
        if now - self._complained.get(name, -COMPLAIN_S) >= COMPLAIN_S:
            self._complained[name] = now
            self._log.error("observer_failed", observer=name, error=repr(error)[:200], times=self.failures[name])


def tell_refusal(metrics: Metrics, error: Exception) -> None:
    """Count an error that is a refusal; others are no news here."""
    if isinstance(error, QuotaExceeded):
        metrics.refused("quota", f"{error.unit} in {error.seconds} s")
    elif type(error) in _REFUSALS:
        metrics.refused(*_REFUSALS[type(error)])


def fan_out(observers: Mapping[str, Metrics], log: Any) -> Metrics:
    """One ``Metrics`` for all of them."""
    return Observers(observers, log) if observers else NullMetrics()
