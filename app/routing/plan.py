"""A model's traffic plan: a small, immutable document that every worker reads and one writer at a time replaces.

Weights are whole basis points (of 10,000), so that 0.5 % can be said and sums are exact.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from app.routing.rollout import Rollout, parse_rollout

WHOLE = 10_000

Unit = Literal["entity", "header", "request"]


@dataclass(frozen=True, slots=True)
class Plan:
    """``weights`` sum to ``WHOLE``; ``variants`` gives versions the names of an experiment's arms.

    ``unit`` is what sticks to a version: the entity a row is about, a header's value, or nothing (each request anew).
    ``salt`` is the experiment: another salt deals every unit again. ``shadow`` copies a share of requests to versions
    whose answers nobody sees.
    """

    weights: Mapping[str, int]
    unit: Unit = "entity"
    header: str = "X-Unit-ID"
    salt: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)
    shadow: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    by: str = ""
    at: float = 0.0

    @property
    def heaviest(self) -> str:
        """The version with most traffic; empty in a plan without versions."""
        return max(self.weights, key=lambda version: self.weights[version], default="")

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The plan in force, its generation, the ones before it (newest first), and digests that failed and stay out.

    ``rollout`` is the last one, running or over; ``past`` those before it, newest first.
    """

    plan: Plan
    generation: int = 0
    before: tuple[Plan, ...] = ()
    banned: Mapping[str, str] = field(default_factory=dict)
    rollout: Rollout | None = None
    past: tuple[Rollout, ...] = ()

    def dump(self) -> str:
        """The document's text."""
        return json.dumps(
            {
                "plan": self.plan.to_json(),
                "before": [plan.to_json() for plan in self.before],
                "banned": dict(self.banned),
                "rollout": self.rollout.to_json() if self.rollout else None,
                "past": [rollout.to_json() for rollout in self.past],
            }
        )


MAX_BEFORE = 20
"""How many earlier plans, and how many earlier rollouts, are kept."""


def parse_traffic(text: str, generation: int) -> Traffic:
    """Read a document back.

    Raises:
        ValueError, KeyError, TypeError: it is none of ours.
    """
    data = json.loads(text)
    rollout = data["rollout"]
    return Traffic(
        Plan(**data["plan"]),
        generation,
        tuple(Plan(**plan) for plan in data["before"]),
        dict(data["banned"]),
        parse_rollout(rollout) if rollout else None,
        tuple(parse_rollout(item) for item in data["past"]),
    )


def shares(percents: Mapping[str, float]) -> dict[str, int]:
    """Percentages as basis points.

    Raises:
        ValueError: a share below 0, or they do not sum to 100.
    """
    points = {version: round(percent * 100) for version, percent in percents.items()}
    if any(point < 0 for point in points.values()) or sum(points.values()) != WHOLE:
        raise ValueError("weights must be 0 or more and sum to 100")
    return {version: point for version, point in points.items() if point}
