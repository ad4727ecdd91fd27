"""What is measured. Add a scenario here; add who takes part in ``contenders``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """Our figure must be at least ``at_least`` times the rival's; ``metric`` is a field of ``load.Window``."""

    rival: str
    metric: str
    at_least: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load, put on every contender in turn.

    ``rows`` per request decides the body (1: ``features``, more: ``instances``); every row sent is different.
    """

    name: str
    title: str
    rows: int
    connections: int
    contenders: tuple[str, ...]
    goals: tuple[Goal, ...] = ()


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
    )
}
