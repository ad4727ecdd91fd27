"""What is measured. Add a scenario here; add who takes part in ``contenders``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """Our figure must be at least ``at_least`` times the rival's; ``metric`` is a field of ``load.Window``.

    Of latencies the quotient is turned round, so that more is better there too.
    """

    rival: str
    metric: str
    at_least: float

    def compare(self, ours: float, theirs: float) -> float:
        """How much better ours is."""
        better, worse = (theirs, ours) if self.metric.endswith("_ms") else (ours, theirs)
        return better / max(worse, 1e-9)

    def reached(self, compared: float) -> bool:
        """Whether that is enough."""
        return compared >= self.at_least

    def words(self) -> str:
        """The goal for people."""
        return f"{self.metric.replace('_per_', '/')} at least {self.at_least:g} x as good as {self.rival}'s"


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

    def words(self) -> str:
        """The goal for people."""
        return f"{self.metric} at most {self.at_most:g} above {self.rival}'s"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load, put on every contender in turn.

    ``rows`` per request decides the body (1: ``features``, more: ``instances``). Every row sent is different, unless
    ``distinct`` says how many there are. ``ours`` is the contender all others are compared with; ``paused`` are the
    Redis servers that fall silent once everybody is warm.
    """

    name: str
    title: str
    rows: int
    connections: int
    contenders: tuple[str, ...]
    goals: tuple[Goal | Gap, ...] = ()
    ours: str = "sluice"
    distinct: int = 0
    paused: tuple[str, ...] = ()


CACHING = (
    Scenario(
        "cached_unique",
        "Caching services, every row different",
        rows=1,
        connections=16,
        contenders=("sluice_shared", "sluice_guarded", "cached_fastapi", "lean_fastapi"),
        goals=(Goal("cached_fastapi", "requests_per_s", 1.8),),
        ours="sluice_shared",
    ),
    Scenario(
        "cached_repeated",
        "Caching services, 1,000 rows again and again",
        rows=1,
        connections=16,
        contenders=("sluice_shared", "sluice_guarded", "cached_fastapi", "lean_fastapi"),
        goals=(Goal("cached_fastapi", "requests_per_s", 2.0),),
        ours="sluice_shared",
        distinct=1000,
    ),
    Scenario(
        "cached_costly",
        "A model of 5 ms, 100 rows again and again",
        rows=1,
        connections=4,
        contenders=("costly", "costly_uncached"),
        goals=(Goal("costly_uncached", "p50_ms", 10.0),),
        ours="costly",
        distinct=100,
    ),
    Scenario(
        "cached_cheap",
        "A model of microseconds, every row different: what asking whether caching pays costs",
        rows=1,
        connections=16,
        contenders=("sluice", "sluice_uncached"),
        goals=(Goal("sluice_uncached", "requests_per_s", 0.97),),
    ),
    Scenario(
        "redis_silent",
        "Every row asks Redis, which is well or stopped",
        rows=1,
        connections=8,
        contenders=("far_silent", "far"),
        goals=(Gap("far", "p99_ms", 5.0),),
        ours="far_silent",
        paused=("silent",),
    ),
)

_FOUNDATION = ("sluice", "bare_flask", "bare_fastapi")

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "one_row",
            "One row per request, every row different",
            rows=1,
            connections=16,
            contenders=_FOUNDATION,
            goals=(Goal("bare_flask", "requests_per_s", 0.8),),
        ),
        Scenario(
            "thousand_rows",
            "1,000 rows of 20 numbers in one JSON request",
            rows=1000,
            connections=8,
            contenders=(*_FOUNDATION, "bare_fastapi_columns"),
            goals=(Goal("bare_fastapi", "rows_per_s", 2.2), Goal("bare_fastapi_columns", "rows_per_s", 2.2)),
        ),
        *CACHING,
    )
}
