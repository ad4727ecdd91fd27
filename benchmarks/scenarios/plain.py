"""One row, one row again and again, a thousand rows, one connection: everyone beside everyone."""

from benchmarks.scenarios.scenario import Goal, Scenario

SERVERS = ("mlserver", "mlserver_workers", "bentoml", "litserve", "azure", "mlflow")

PLAIN = (
    Scenario(
        "one_row",
        "One row per request, every row different",
        contenders=("sluice_guarded", "sluice", "bare_flask", "bare_fastapi", "cached_fastapi", *SERVERS),
        goals=(
            Goal("cached_fastapi", "requests_per_s", 2.0),
            Goal("azure", "requests_per_s", 1.5),
            Goal("mlserver", "requests_per_s", 2.0),
            Goal("bare_flask", "requests_per_s", 0.75),
        ),
        ours="sluice_guarded",
    ),
    Scenario(
        "one_row_repeated",
        "One row per request, 1,000 rows again and again",
        contenders=("sluice_guarded", "sluice", "bare_flask", "cached_fastapi", *SERVERS),
        goals=(Goal("azure", "requests_per_s", 1.5), Goal("mlserver", "requests_per_s", 2.0)),
        ours="sluice_guarded",
        distinct=1000,
    ),
    Scenario(
        "thousand_rows",
        "1,000 rows of 20 numbers in one JSON request",
        door="many",
        rows=1000,
        connections=8,
        contenders=("sluice", "bare_flask", "bare_fastapi", "bare_fastapi_columns", *SERVERS),
        goals=(Goal("bare_fastapi", "rows_per_s", 2.2), Goal("bare_fastapi_columns", "rows_per_s", 2.2)),
        shown="rows_per_s",
    ),
    Scenario(
        "one_connection",
        "One row per request over one connection",
        connections=1,
        contenders=("sluice", "sluice_guarded", "bare_flask", "mlserver"),
        shown="p50_ms",
    ),
)
