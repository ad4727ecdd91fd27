"""The figures of ``/cache-stats``: every worker's counters merged, in the brief's words and in detail."""

from collections.abc import Mapping
from contextlib import suppress
from random import getrandbits
from threading import Lock, Thread
from time import sleep, time
from typing import Any
from uuid import uuid4

from app.cache.book import Book
from app.cache.payoff import Payoff
from app.cache.tally import percentile_ms
from app.cache.tiered import PredictionCache
from app.state.base import State, StateUnavailable

COUNTS = "cache:counts"
WORKERS = "cache:workers"
EPOCH = "cache:epoch"
PUBLISH_S = 1.0
_STALE_S = 10.0
_GONE_S = 3600.0
_SEPARATOR = "|"


class CacheReport:
    """Publishes this worker's counters once a second and reads everybody's."""

    def __init__(self, cache: PredictionCache, state: State, usd_per_hour: float) -> None:
        self._cache = cache
        self._state = state
        self._usd_per_second = usd_per_hour / 3600
        self._worker = uuid4().hex[:12]
        self._publishing = Lock()
        self._started = False

    def start(self) -> None:
        """Start the publishing thread, once; called in the worker, after any fork."""
        with self._publishing:
            if self._started:
                return
            self._started = True
        Thread(target=self._publish_forever, name="cache-report", daemon=True).start()

    def publish(self) -> None:
        """Deliver what was counted since last time, and learn whether somebody cleared the cache.

        Raises:
            StateUnavailable: nothing is lost, the next time delivers it.
        """
        with self._publishing:
            for book in list(self._cache.books.values()):
                self._deliver(book)
            self._announce_holdings()
            self._cache.turn_epoch(int(self._state.read(EPOCH).get("n", 0)))

    def clear(self) -> None:
        """Make every remembered answer unreachable, in every worker within ``PUBLISH_S``.

        Raises:
            StateUnavailable
        """
        self._state.put(EPOCH, {"n": float(getrandbits(48))})
        self.publish()

    def summary(self) -> dict[str, Any]:
        """The whole answer of ``/cache-stats``."""
        degraded = None
        try:
            self.publish()
            counts, holdings = self._state.read(COUNTS), self._state.read(WORKERS)
            self._forget_the_gone(holdings)
        except StateUnavailable as error:
            degraded = f"shared state is away ({error}); these figures are this worker's, since its last delivery"
            counts, holdings = self._undelivered(), {}
        by_version = _by_version(counts)
        total = _added(by_version.values())
        return {
            **self._headline(total),
            "scope": "every worker on this shared state" if self._state.shared and not degraded else "this worker",
            "state": self._state.health(),
            "degraded": degraded,
            "models": [self._version(label, figures, holdings) for label, figures in sorted(by_version.items())],
        }

    def _publish_forever(self) -> None:
        while True:
            with suppress(StateUnavailable):
                self.publish()
            sleep(PUBLISH_S)

    def _deliver(self, book: Book) -> None:
        counts = book.tally.take()
        if not counts:
            return
        try:
            self._state.add(COUNTS, {_SEPARATOR.join((book.label, name)): amount for name, amount in counts.items()})
        except StateUnavailable:
            book.tally.give_back(counts)
            raise

    def _announce_holdings(self) -> None:
        """This worker's entries and bytes, with the time, so that a worker that is gone drops out."""
        said = {_SEPARATOR.join((self._worker, "", "at")): time()}
        for book in list(self._cache.books.values()):
            for tier, figures in self._cache.figures(book.label).items():
                for name, value in figures.items():
                    said[_SEPARATOR.join((self._worker, book.label, f"{tier}_{name}"))] = value
        self._state.put(WORKERS, said)

    def _forget_the_gone(self, holdings: Mapping[str, float]) -> None:
        gone = {
            key.split(_SEPARATOR)[0] for key, at in holdings.items() if key.endswith("|at") and at < time() - _GONE_S
        }
        self._state.remove(WORKERS, [key for key in holdings if key.split(_SEPARATOR)[0] in gone])

    def _undelivered(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for book in list(self._cache.books.values()):
            counts = book.tally.take()
            book.tally.give_back(counts)
            found |= {_SEPARATOR.join((book.label, name)): amount for name, amount in counts.items()}
        return found

    def _headline(self, total: Mapping[str, float]) -> dict[str, Any]:
        """The brief's fields. Everything is counted in rows: a request of ten rows counts ten."""
        hits, misses = _hits(total), int(total.get("miss", 0))
        bypassed = int(total.get("bypass", 0))
        return {
            "cache_hit_rate": round(hits / (hits + misses), 4) if hits + misses else 0.0,
            "total_requests": hits + misses + bypassed,
            "cache_hits": hits,
            "cache_misses": misses,
            "cache_bypassed": bypassed,
            "cost_savings": f"${total.get('saved_s', 0.0) * self._usd_per_second:.2f}",
            "compute_seconds_saved": round(total.get("saved_s", 0.0), 6),
            "avg_latency_cached": _mean_ms(total, "cached"),
            "avg_latency_uncached": _mean_ms(total, "uncached"),
        }

    def _version(self, label: str, figures: Mapping[str, float], holdings: Mapping[str, float]) -> dict[str, Any]:
        model, _, version = label.partition("/")
        book = next((book for book in self._cache.books.values() if book.label == label), None)
        held = _held(holdings, label)
        return {
            "model": model,
            "version": version,
            **self._headline(figures),
            "latency_ms": {
                kind: {
                    "p50": _rounded(percentile_ms(figures, kind, 0.5)),
                    "p95": _rounded(percentile_ms(figures, kind, 0.95)),
                }
                for kind in ("cached", "uncached")
            },
            "single_flight_joins": int(figures.get("joins", 0)),
            "tiers": {
                "l1": self._tier(figures, held, "l1", book.near if book else None),
                "l2": self._tier(figures, held, "l2", book.far if book else None),
            },
        }

    def _tier(
        self, figures: Mapping[str, float], held: Mapping[str, float], tier: str, payoff: Payoff | None
    ) -> dict[str, Any]:
        prefix = f"{tier}_"
        return {
            "hits": int(figures.get(f"hit-{tier}", 0)),
            **{name[len(prefix) :]: int(value) for name, value in sorted(held.items()) if name.startswith(prefix)},
            "active": payoff.active if payoff else None,
            "verdict": payoff.words() if payoff else "not used by this worker yet",
        }


def _by_version(counts: Mapping[str, float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for key, amount in counts.items():
        label, _, name = key.rpartition(_SEPARATOR)
        found.setdefault(label, {})[name] = amount
    return found


def _added(parts: Any) -> dict[str, float]:
    total: dict[str, float] = {}
    for figures in parts:
        for name, amount in figures.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _held(holdings: Mapping[str, float], label: str) -> dict[str, float]:
    """Entries and bytes of one version over the workers that were heard of lately."""
    alive = {key.split(_SEPARATOR)[0] for key, at in holdings.items() if key.endswith("|at") and at > time() - _STALE_S}
    parts = [key.split(_SEPARATOR) for key in holdings]
    ours = [(part[2], holdings[_SEPARATOR.join(part)]) for part in parts if part[0] in alive and part[1] == label]
    return _added([{name: value} for name, value in ours])


def _hits(figures: Mapping[str, float]) -> int:
    return int(figures.get("hit-l1", 0) + figures.get("hit-l2", 0))


def _mean_ms(figures: Mapping[str, float], kind: str) -> str:
    answers = figures.get(f"{kind}_n", 0)
    return f"{figures.get(f'{kind}_s', 0.0) / answers * 1000:.2f}ms" if answers else "0.00ms"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
