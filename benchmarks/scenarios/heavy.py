"""A neural net of 268 MB, where rows that run together cost little more than one."""

from benchmarks.scenarios.scenario import Goal, Scenario

HEAVY = (
    Scenario(
        "heavy_net",
        "Four layers of 4,096 x 4,096, 64 connections with one row each",
        connections=64,
        contenders=("heavy", "heavy_alone", "heavy_mlserver", "heavy_bentoml", "heavy_litserve"),
        goals=(Goal("heavy_alone", "requests_per_s", 8.0), Goal("heavy_alone", "p99_ms", 1.0)),
        ours="heavy",
    ),
)
