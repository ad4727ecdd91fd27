"""What is proposed from figures that are known."""

from app.tuning.chart import draw
from app.tuning.machine import Load, Setup, setups, undisturbed
from app.tuning.proposal import propose

ONE, TWO, WIDE = Setup(1, 1, 1), Setup(2, 1, 1), Setup(1, 2, 1)


def _load(setup: Setup, rows: int, rows_per_s: float, p95: float) -> Load:
    return Load(setup, rows, rows_per_s, p95 / 2, p95)


def test_setups_share_out_what_there_is() -> None:
    assert setups(1) == [ONE]
    assert setups(2) == [ONE, Setup(1, 1, 2), WIDE, TWO]
    assert all(one.workers * one.threads * one.pool <= 6 for one in setups(6))
    assert Setup(6, 1, 1) in setups(6)


def test_the_most_within_the_objective_wins() -> None:
    loads = [_load(ONE, 1, 100, 0.01), _load(ONE, 32, 1200, 0.02), _load(ONE, 128, 1500, 0.08)]
    found = propose(loads, 0.1)
    assert (found.load.rows, found.met, found.p95) == (32, True, 0.04)
    assert found.batching == {"mode": "auto", "latency_objective_ms": 50, "max_batch_size": 32}


def test_what_is_nearly_as_good_and_smaller_is_taken() -> None:
    loads = [_load(TWO, 64, 1000, 0.01), _load(WIDE, 32, 960, 0.01), _load(ONE, 32, 500, 0.01)]
    assert propose(loads, 1).load.setup == WIDE


def test_a_measurement_that_was_disturbed_does_not_count() -> None:
    rounds = [
        [_load(ONE, 1, 700, 0.01), _load(ONE, 8, 90, 0.6), _load(ONE, 32, 2400, 0.02)],
        [_load(ONE, 1, 650, 0.03), _load(ONE, 8, 1900, 0.01), _load(ONE, 32, 600, 0.3)],
    ]
    found = undisturbed(load for one in rounds for load in one)
    assert [(load.rows, load.rows_per_s, load.p95) for load in found] == [
        (1, 700, 0.01),
        (8, 1900, 0.01),
        (32, 2400, 0.02),
    ]


def test_a_tiny_model_is_bound_by_its_workers() -> None:
    loads = [_load(ONE, 128, 900_000, 0.0001), _load(TWO, 1, 150_000, 0.00002), _load(TWO, 64, 1_000_000, 0.0001)]
    found = propose(loads, 0.05)
    assert (found.load.setup, found.load.rows, found.requests_per_s) == (TWO, 1, 10_000)
    assert "max_batch_size" not in found.batching


def test_an_objective_out_of_reach_gets_the_quickest() -> None:
    found = propose([_load(ONE, 1, 10, 0.1), _load(WIDE, 1, 15, 0.07), _load(ONE, 8, 60, 0.2)], 0.01)
    assert (found.load.setup, found.load.rows, found.met) == (WIDE, 1, False)


def test_a_pool_is_not_pinned() -> None:
    found = propose([_load(Setup(1, 1, 2), 8, 100, 0.01)], 1)
    assert found.environment["SLUICE_PIN_WORKERS"] == "off"
    assert found.batching["pool_size"] == 2


def test_the_picture_shows_every_setup_and_escapes_names() -> None:
    loads = [_load(ONE, 1, 100, 0.01), _load(ONE, 2, 150, 0.02), _load(TWO, 1, 200, 0.01)]
    picture = draw("<a> & b", loads, loads[2])
    assert picture.count("<polyline") == 4
    assert "&lt;a&gt; &amp; b" in picture
    assert "2 workers, 1 threads a run" in picture


def test_a_picture_of_one_figure() -> None:
    only = _load(ONE, 1, 100, 0.01)
    assert "nan" not in draw("one", [only], only)
