"""How rows are joined after measurements that were right, wrong, or of a machine that was busy just then."""

from collections.abc import Callable

import pytest

from app.runtimes.fit import RUNS, Fit, measure, size_of
from app.runtimes.sizing import BatchPlan, Sizing

Cost = Callable[[int], float]


def _net(rows: int) -> float:
    """Ten milliseconds for the weights, and a hump where the kernels for few rows are slow."""
    return 0.010 + (0.012 if 6 <= rows < 24 else 0.0) + rows * 0.0004


def _trees(rows: int) -> float:
    """The same for every row."""
    return rows * 0.005


def _serve(sizing: Sizing, cost: Cost, runs: int, waiting: int = 64) -> None:
    for _ in range(runs):
        rows = min(waiting, sizing.max_rows) if sizing.joins else 1
        sizing.observe(rows, cost(rows), cost(rows))


def _measured(cost: Cost, sizes: tuple[int, ...] = (1, 4, 32, 16), plan: BatchPlan | None = None) -> Sizing:
    sizing = Sizing(plan or BatchPlan())
    for rows in sizes:
        sizing.fit.add(rows, cost(rows), cost(rows), RUNS)
    sizing.judge(mixes=False)
    return sizing


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (2, 2), (3, 4), (5, 4), (6, 8), (23, 32), (45, 32), (46, 64)])
def test_a_size_stands_for_what_is_near_it(rows: int, size: int) -> None:
    assert size_of(rows) == size


def test_between_two_sizes_time_is_on_the_line() -> None:
    fit = Fit()
    assert fit.seconds(7) == 0
    fit.add(1, 0.010, 0.010)
    assert fit.seconds(3) == pytest.approx(0.030), "with one size nothing is known to be fixed"
    fit.add(32, 0.0255, 0.0255)
    assert fit.seconds(16) == pytest.approx(0.0175)
    assert fit.seconds(64) == pytest.approx(0.051)


def test_one_hiccup_neither_counts_for_much_nor_for_long() -> None:
    fit = Fit()
    fit.add(1, 0.010, 0.010)
    fit.add(1, 3.0, 3.0)
    assert fit.seconds(1) <= 0.0121
    assert fit.row_effort(1) < 0.2
    fit.add(1, 0.010, 0.010)
    assert fit.row_effort(1) == 0.010


def test_a_machine_that_stays_slower_is_believed() -> None:
    fit = Fit()
    fit.add(1, 0.010, 0.010)
    for _ in range(60):
        fit.add(1, 0.050, 0.050)
    assert fit.seconds(1) == pytest.approx(0.050, rel=0.05)
    assert fit.row_effort(1) > 0.040


def test_a_net_is_joined_and_a_hump_is_passed_by() -> None:
    sizing = _measured(_net)
    assert sizing.joins
    _serve(sizing, _net, 20)
    assert sizing.max_rows >= 64
    assert sizing.fit.useful(0.1) >= 32
    assert sizing.pays


def test_trees_are_not_joined_for_long_and_stand_in_line() -> None:
    sizing = _measured(_trees)
    _serve(sizing, _trees, 40)
    assert (sizing.joins, sizing.queues, sizing.pays, sizing.max_rows) == (False, True, False, 1)


@pytest.mark.parametrize("sizes", [(1,), (1, 4), (1, 4, 32, 16)], ids=str)
def test_a_busy_start_is_made_good(sizes: tuple[int, ...]) -> None:
    """Everything took ten times as long when it was measured, and the fewer rows the less of it was."""
    sizing = _measured(lambda rows: 10 * _trees(rows) + _net(rows), sizes)
    _serve(sizing, _net, 60)
    assert sizing.joins
    assert sizing.max_rows >= 32


def test_a_size_that_was_tried_at_a_bad_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("app.runtimes.fit.perf_counter", lambda: clock[0])
    monkeypatch.setattr("app.runtimes.sizing.perf_counter", lambda: clock[0])
    sizing = _measured(_net)
    for _ in range(6):
        sizing.observe(32, 2.0, 2.0)
        sizing.observe(64, 4.0, 4.0)
    assert sizing.max_rows < 32
    clock[0] = 60.0
    _serve(sizing, _net, 60)
    assert sizing.max_rows >= 32


def test_the_time_that_others_take_of_the_core_makes_no_size_dearer() -> None:
    """Requests that come during a run share its core: half of the callers lengthen a run of the other half."""
    sizing = _measured(_net)
    for _ in range(60):
        sizing.observe(16, 0.9 * _net(16), _net(16))
        sizing.observe(32, 3 * _net(32), _net(32))
    assert sizing.max_rows >= 32
    assert sizing.fit.seconds(32) == pytest.approx(3 * _net(32), rel=0.01), "a queue is as long as it is by the clock"


def test_nobody_is_refused_for_sizes_that_are_only_being_tried() -> None:
    sizing = _measured(lambda rows: 0.05 * rows, (1,))
    assert sizing.joins
    assert sizing.seconds_for(31) <= 0.2
    _serve(sizing, lambda rows: 0.05 * rows, 40)
    assert not sizing.joins


def test_an_operators_size_is_kept() -> None:
    sizing = _measured(_net, plan=BatchPlan(max_rows=16))
    _serve(sizing, _net, 40)
    assert (sizing.joins, sizing.max_rows, sizing.piece_rows) == (True, 16, 16)


def test_requests_are_not_split_as_finely_as_sizes_are_tried() -> None:
    sizing = _measured(_trees, (1,))
    assert sizing.max_rows < 8
    assert sizing.piece_rows == 32


def test_measuring_a_long_model_ends_in_time() -> None:
    now = [0.0]
    asked: list[int] = []

    def run(rows: int) -> None:
        asked.append(rows)
        now[0] += 0.1 * rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.runtimes.fit.perf_counter", lambda: now[0])
        measure(Fit(), run, (1, 4, 32, 16), 0.25)
    assert asked == [1]
