"""What the gate costs: keys, quotas on Redis, metrics and the access log, against the same server without them."""

from benchmarks.scenarios.scenario import Goal, Scenario

GATE = (
    Scenario(
        "gate_cost",
        "What keys, quotas on Redis, metrics and access log cost",
        contenders=("sluice_guarded", "sluice_ungated"),
        goals=(Goal("sluice_ungated", "requests_per_s", 0.85),),
        ours="sluice_guarded",
        note="Both keep what they remember in Redis; quotas are in requests and in rows.",
    ),
)
