"""From counters and what workers say of themselves to the answer of ``/cache-stats``. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from app.cache.pages import WEIGHED
from app.cache.tally import percentile_ms

Numbers = Mapping[str, float]

SOURCES = ("hit-l1", "hit-l2", "miss", "bypass")
TIERS = ("l1", "l2")


@dataclass(slots=True)
class VersionFigures:
    """Everything known of one version: counters over all workers, and each live worker's own page."""

    label: str
    counts: dict[str, float] = field(default_factory=dict)
    pages: list[Mapping[str, Any]] = field(default_factory=list)

    def shown(self, usd_per_second: float) -> dict[str, Any]:
        """One element of ``models``."""
        model, _, version = self.label.partition("/")
        return {
            "model": model,
            "version": version,
            **headline(self.counts, usd_per_second),
            "single_flight_joins": int(self.counts.get("joins", 0)),
            "warmed": int(self.counts.get("warmed", 0)),
            "latency_ms": {source: _percentiles(self.counts, source) for source in SOURCES},
            "rows": next((page["likeness"] for page in self.pages if page["likeness"]), None),
            "tiers": {tier: self._tier(tier) for tier in TIERS},
        }

    def _tier(self, tier: str) -> dict[str, Any]:
        standings = [page[tier] for page in self.pages]
        shown: dict[str, Any] = {"hits": int(self.counts.get(f"hit-{tier}", 0))}
        if tier == "l1":
            shown |= {name: sum(page[name] for page in self.pages) for name in ("entries", "bytes")}
            shown["evictions"] = int(self.counts.get("evictions", 0))
        else:
            shown |= {name: int(self.counts.get(name, 0)) for name in ("stored", "dropped", "rejected")}
        active = sum(bool(standing["active"]) for standing in standings)
        return shown | {"active_workers": active, "workers": len(standings), "verdict": verdict(standings)}


def headline(counts: Numbers, usd_per_second: float) -> dict[str, Any]:
    """The fields that sum it all up. All but latencies are counted in rows: a request of ten rows counts ten."""
    hits, misses = int(counts.get("hit-l1", 0) + counts.get("hit-l2", 0)), int(counts.get("miss", 0))
    bypassed, saved = int(counts.get("bypass", 0)), counts.get("saved_s", 0.0)
    return {
        "cache_hit_rate": round(hits / (hits + misses), 4) if hits + misses else 0.0,
        "total_requests": hits + misses + bypassed,
        "cache_hits": hits,
        "cache_misses": misses,
        "cache_bypassed": bypassed,
        "cost_savings": f"${saved * usd_per_second:.2f}",
        "compute_seconds_saved": round(saved, 6),
        "avg_latency_cached": _mean_ms(counts, ("hit-l1", "hit-l2")),
        "avg_latency_uncached": _mean_ms(counts, ("miss", "bypass")),
    }


def added(parts: Sequence[Numbers]) -> dict[str, float]:
    """Fields of the same name added up."""
    total: dict[str, float] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def verdict(standings: Sequence[Mapping[str, Any]]) -> str:
    """What the workers found of one tier, in words; costs are the mean of theirs."""
    if not standings:
        return "nobody has asked lately"
    mode = standings[0]["mode"]
    if mode != "auto":
        return standings[0].get("why") or f"forced {mode} in the deployment file"
    standings = [standing for standing in standings if standing["weighed"]]
    if not standings:
        return "tried out; not weighed yet"
    mean = {name: fmean(standing[name] for standing in standings) for name in WEIGHED}
    active = sum(bool(standing["active"]) for standing in standings)
    share = "" if active in {0, len(standings)} else f" in {active} of {len(standings)} workers"
    return f"{_word(active, mean)}{share}: {_sums(mean)}"


def _word(active: int, mean: Numbers) -> str:
    if not active:
        return "does not pay, bypassed and probed now and then"
    if mean["saved_s"] > mean["spent_s"]:
        return "pays"
    return "kept, for it costs next to nothing beside computing" if mean["spent_s"] < mean["trifle_s"] else "about even"


def _sums(mean: Numbers) -> str:
    return (
        f"a lookup costs {mean['spent_s'] * 1e6:,.1f} us and saves {mean['saved_s'] * 1e6:,.1f} us "
        f"({mean['hit']:.0%} hits x {mean['compute_s'] * 1e6:,.1f} us of computing)"
    )


def _percentiles(counts: Numbers, source: str) -> dict[str, float | None]:
    found = {"p50": percentile_ms(counts, source, 0.5), "p95": percentile_ms(counts, source, 0.95)}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def _mean_ms(counts: Numbers, sources: Sequence[str]) -> str:
    answers = sum(counts.get(f"{source}_n", 0) for source in sources)
    seconds = sum(counts.get(f"{source}_s", 0.0) for source in sources)
    return f"{seconds / answers * 1000:.2f}ms" if answers else "0.00ms"
