"""A rollout: one version taking over from another in steps, each of which must prove itself.

Part of the model's traffic document, so that its progress and the weights it stands for change in one swap: whoever
judges may be killed at any point, and the next one reads where things stand.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

RolloutState = Literal["running", "promoted", "failed", "aborted"]

STEPS = (500, 2500, 5000)
"""Shares of the canary, in basis points, where the deployer names none."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a step must show.

    ``min_samples`` requests of each version before anything passes; ``alpha`` is the chance of failing a canary that is
    no worse; an effect must besides be large enough to matter: the canary's p95 at least ``latency_ratio`` of the
    stable's and ``latency_floor_ms`` above it, its predictions at least ``drift`` away: in standard deviations of the
    stable's values or probabilities, or as the share of rows in another class.
    """

    min_samples: int = 100
    alpha: float = 0.001
    latency_ratio: float = 1.5
    latency_floor_ms: float = 2.0
    drift: float = 0.25


@dataclass(frozen=True, slots=True)
class Rollout:
    """``step`` counts from 0; ``log`` says what was decided when and on what evidence. Times are Unix seconds.

    A dry run gives the canary copies of requests instead of requests, and promotes nothing.
    """

    id: str
    stable: str
    canary: str
    digest: str
    steps: tuple[int, ...] = STEPS
    interval_s: float = 60.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    dry_run: bool = False
    state: RolloutState = "running"
    step: int = 0
    started: float = 0.0
    stepped: float = 0.0
    ended: float | None = None
    by: str = ""
    reason: str = ""
    log: tuple[Mapping[str, Any], ...] = ()

    @property
    def running(self) -> bool:
        """Whether it is still being judged."""
        return self.state == "running"

    @property
    def share(self) -> int:
        """The canary's share at the current step, in basis points."""
        return self.steps[self.step]

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return asdict(self)


def parse_rollout(data: Mapping[str, Any]) -> Rollout:
    """Read back what ``to_json`` wrote.

    Raises:
        KeyError, TypeError: it is none of ours.
    """
    held = dict(data)
    thresholds = Thresholds(**held.pop("thresholds"))
    steps, log = tuple(held.pop("steps")), tuple(held.pop("log"))
    return Rollout(**held, thresholds=thresholds, steps=steps, log=log)
