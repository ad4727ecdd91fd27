"""What a scenario is: one kind of load, and what is wanted of it."""

from dataclasses import dataclass

LESS_IS_BETTER = ("p50_ms", "p95_ms", "p99_ms", "cpu_us", "ready_s", "mib_at_start", "mib_after")
WORDS = {
    "requests_per_s": "requests/s",
    "rows_per_s": "rows/s",
    "p50_ms": "p50",
    "p99_ms": "p99",
    "cpu_us": "server CPU per request",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """Our figure must be at least ``at_least`` times as good as the rival's; ``metric`` is a field of ``race.Window``.

    Of latencies and costs the quotient is turned round, so that more is better there too.
    """

    rival: str
    metric: str
    at_least: float

    def compare(self, ours: float, theirs: float) -> float:
        """How many times better ours is."""
        better, worse = (theirs, ours) if self.metric in LESS_IS_BETTER else (ours, theirs)
        return better / max(worse, 1e-9)

    def reached(self, compared: float) -> bool:
        """Whether that is enough."""
        return compared >= self.at_least

    def words(self, rival: str) -> str:
        """The goal for people."""
        return f"{WORDS[self.metric]} at least {self.at_least:g} x as good as that of {rival}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Our figure must exceed the rival's by no more than ``at_most``."""

    rival: str
    metric: str
    at_most: float

    def compare(self, ours: float, theirs: float) -> float:
        """By how much ours is more."""
        return ours - theirs

    def reached(self, compared: float) -> bool:
        """Whether that is little enough."""
        return compared <= self.at_most

    def words(self, rival: str) -> str:
        """The goal for people."""
        return f"{WORDS[self.metric]} at most {self.at_most:g} ms above that of: {rival}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load, put on every contender in turn through the door of that name: so many rows in each request.

    Every row sent is different, unless ``distinct`` says how many there are. ``ours`` is the contender all others are
    compared with; ``paused`` are the Redis servers that fall silent once everybody is warm. ``shown`` is the metric
    that the chart shows, ``note`` what a reader should know beside the figures.
    """

    name: str
    title: str
    contenders: tuple[str, ...]
    goals: tuple[Goal | Gap, ...] = ()
    door: str = "one"
    rows: int = 1
    connections: int = 16
    ours: str = "sluice"
    distinct: int = 0
    paused: tuple[str, ...] = ()
    shown: str = "requests_per_s"
    note: str = ""
