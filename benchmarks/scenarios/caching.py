"""What remembering answers gains and costs."""

from benchmarks.scenarios.scenario import Gap, Goal, Scenario

_SERVICES = ("sluice_guarded", "sluice_shared", "cached_fastapi", "lean_fastapi")

CACHING = (
    Scenario(
        "cached_unique",
        "Caching services, every row different",
        contenders=_SERVICES,
        goals=(Goal("cached_fastapi", "requests_per_s", 1.8),),
        ours="sluice_guarded",
    ),
    Scenario(
        "cached_repeated",
        "Caching services, 1,000 rows again and again",
        contenders=_SERVICES,
        goals=(Goal("cached_fastapi", "requests_per_s", 2.0),),
        ours="sluice_guarded",
        distinct=1000,
    ),
    Scenario(
        "cached_costly",
        "A model of 5 ms, 100 rows again and again",
        connections=4,
        contenders=("costly", "costly_uncached"),
        goals=(Goal("costly_uncached", "p50_ms", 10.0),),
        ours="costly",
        distinct=100,
        shown="p50_ms",
    ),
    Scenario(
        "cached_cheap",
        "A model of microseconds, every row different: what asking whether caching pays costs",
        contenders=("sluice", "sluice_uncached"),
        goals=(Goal("sluice_uncached", "requests_per_s", 0.97),),
    ),
    Scenario(
        "redis_silent",
        "Every row asks Redis, which is well or stopped",
        connections=8,
        contenders=("far_silent", "far"),
        goals=(Gap("far", "p99_ms", 5.0),),
        ours="far_silent",
        paused=("silent",),
        shown="p99_ms",
    ),
)
