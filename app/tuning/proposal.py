"""From what was measured to what to set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.tuning.machine import Load

ANSWERING_S = 200e-6
"""What a request costs a worker besides the model (HTTP, JSON, checks): it cannot answer more than one in that."""

CLOSE = 0.95
"""Setups that do nearly as much as the best are as good, and the one that takes the least memory wins."""

SHARE = 0.5
"""Of the objective, what a run may take: whoever comes while the engine is busy waits for one run, then has its own."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """``load`` is what was measured for it, ``requests_per_s`` of one row each; ``met`` whether the objective holds."""

    load: Load
    objective_s: float
    requests_per_s: float
    met: bool

    @property
    def p95(self) -> float:
        """Seconds, for a caller who comes while the engine is busy."""
        return self.load.p95 / SHARE

    @property
    def environment(self) -> dict[str, str]:
        """Variables to start the server with."""
        setup = self.load.setup
        told = {"WEB_CONCURRENCY": str(setup.workers), "SLUICE_INFERENCE_THREADS": str(setup.threads)}
        return told if setup.pool == 1 else told | {"SLUICE_PIN_WORKERS": "off"}

    @property
    def batching(self) -> dict[str, Any]:
        """What ``models.<name>.batching`` of the deployment file should hold."""
        known = {"mode": "auto", "latency_objective_ms": round(self.objective_s * SHARE * 1000, 3)}
        size = {"max_batch_size": self.load.rows} if self.load.rows > 1 else {}
        pool = {"pool_size": self.load.setup.pool} if self.load.setup.pool > 1 else {}
        return known | size | pool

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(self.load.setup),
            "max_batch_size": self.load.rows,
            "requests_per_s": round(self.requests_per_s, 1),
            "p95_ms": round(self.p95 * 1000, 3),
            "objective_met": self.met,
            "environment": self.environment,
            "batching": self.batching,
        }


def requests_per_s(load: Load) -> float:
    """One row each: what the engine can do, and what the workers around it can."""
    return min(load.rows_per_s, load.setup.workers / ANSWERING_S)


def propose(loads: Sequence[Load], objective_s: float) -> Proposal:
    """The setup that answers the most within the objective; the quickest one where none is within it."""
    in_time = [load for load in loads if load.p95 <= SHARE * objective_s]
    if in_time:
        most = max(map(requests_per_s, in_time))
        good = [load for load in in_time if requests_per_s(load) >= CLOSE * most]
        best = min(good, key=lambda load: (load.setup.workers, load.rows, load.setup.threads * load.setup.pool))
    else:
        best = min(loads, key=lambda load: (load.p95, load.setup.workers))
    return Proposal(best, objective_s, requests_per_s(best), bool(in_time))
