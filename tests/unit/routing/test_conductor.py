"""What the judge makes of counts that somebody else has written."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.routing.conductor import Conductor
from app.routing.desk import TrafficDesk
from app.routing.evidence import group_table, table
from app.routing.plan import Plan, Traffic
from app.routing.rollout import Rollout, Thresholds
from app.routing.router import KIND, Router
from app.state.base import StateUnavailable
from app.state.memory import MemoryState
from app.telemetry.logs import logger

ROLLOUT = Rollout("r", "v1", "v2", "digest", (5000,), 0, Thresholds(20))


def court(folder: Path, served: str | None = "digest") -> tuple[MemoryState, TrafficDesk, Conductor]:
    state = MemoryState(folder)
    router = Router(state, logger("tests"))
    desk = TrafficDesk(state, router, lambda *_, **__: None)
    return state, desk, Conductor(state, router, desk, lambda *_: served, logger("tests"))


def written(desk: TrafficDesk, model: str = "m") -> Traffic:
    held = desk.held(model)
    assert held is not None
    return held


@pytest.mark.parametrize(
    "junk",
    [
        {"v1|ok": 50.0, "v2|ok": 50.0, "v2|pjunk": 9.0},
        {"v1|ok": 50.0, "v2|ok": 50.0, "v2|tjunk": 9.0},
        {"v1|ok": 1e306, "v2|ok": 1e306, "v2|errors": 1e306},
        {"v1|ok": -5.0, "v2|ok": 50.0},
        {"v1|ok": 50.0, "v2|ok": 50.0, "v2": 9.0, "v2|pjunk": 9.0},
    ],
)
def test_counts_that_are_none_hold_and_can_be_looked_at(tmp_path: Path, junk: dict[str, float]) -> None:
    state, desk, conductor = court(tmp_path)
    started = desk.start("m", "v1", ROLLOUT)
    state.add(table("m", started.generation), junk)
    verdict = conductor.verdict("m", started)
    assert verdict.decision == "hold"
    assert "cannot be read" in verdict.reasons[0]


def test_counts_of_groups_that_are_none_hold(tmp_path: Path) -> None:
    state, desk, conductor = court(tmp_path)
    started = desk.start("m", "v1", ROLLOUT)
    state.add(table("m", started.generation), {"v1|ok": 50.0, "v2|ok": 50.0})
    state.put(group_table("m", started.generation), {"worker": b'{"v2|3": {"ok": NaN}}'})
    assert "cannot be read" in conductor.verdict("m", started).reasons[0]


def test_counts_of_groups_go_with_their_generation(tmp_path: Path) -> None:
    state, desk, _ = court(tmp_path)
    started = desk.start("m", "v1", ROLLOUT)
    state.put(group_table("m", started.generation), {"worker": b"{}"})
    desk.end("m", "v1", "aborted", "anna")
    assert state.records(group_table("m", started.generation))
    desk.set_plan("m", "v1", Plan({"v2": 10_000}), None)
    assert state.records(group_table("m", started.generation)) == {}


@pytest.mark.parametrize("junk", ["{ none", '{"plan": {"weights": null}, "before": []}', "[]", "[" * 100_000])
def test_a_document_that_cannot_be_read_holds_up_no_other_model(tmp_path: Path, junk: str) -> None:
    """It stays in force as this worker knew it, and whoever would change it is told what to do."""
    state, desk, conductor = court(tmp_path)
    for model in ("a", "b"):
        started = desk.start(model, "v1", ROLLOUT)
        state.add(table(model, started.generation), {"v1|ok": 50.0, "v2|errors": 50.0})
    assert state.swap(KIND, "a", 1, junk)
    conductor.judge_all()
    held = written(desk, "b")
    assert held.plan.weights == {"v1": 10_000}
    with pytest.raises(StateUnavailable, match="delete it there"):
        desk.set_plan("a", "v1", held.plan, None)


def test_a_rollout_that_was_begun_is_told_though_its_counts_are_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, desk, conductor = court(tmp_path)
    started = desk.start("m", "v1", ROLLOUT)

    def away(table: str) -> dict[str, float]:
        raise StateUnavailable(table)

    monkeypatch.setattr(state, "numbers", away)
    assert conductor.verdict("m", started).decision == "hold"


def test_a_change_that_was_made_is_told_though_the_old_counts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, desk, _ = court(tmp_path)
    desk.start("m", "v1", ROLLOUT)
    desk.end("m", "v1", "aborted", "anna")

    def away(table: str) -> None:
        raise StateUnavailable(table)

    monkeypatch.setattr(state, "remove", away)
    assert desk.set_plan("m", "v1", Plan({"v2": 10_000}), None).generation == 3


@pytest.mark.parametrize(("served", "outcome"), [("digest", "promoted"), (None, "running"), ("another", "aborted")])
def test_only_the_file_that_was_judged_is_promoted(tmp_path: Path, served: str | None, outcome: str) -> None:
    """Its folder was deleted, or replaced, after it had answered enough."""
    state, desk, conductor = court(tmp_path, served)
    started = desk.start("m", "v1", ROLLOUT)
    state.add(table("m", started.generation), {"v1|ok": 50.0, "v2|ok": 50.0})
    conductor.judge_all()
    held = written(desk)
    assert held.rollout is not None
    assert (held.rollout.state, held.banned) == (outcome, {})


def test_a_canary_that_fails_is_taken_back_though_the_judge_serves_it_not(tmp_path: Path) -> None:
    """It may be served at another instance."""
    state, desk, conductor = court(tmp_path, None)
    started = desk.start("m", "v1", ROLLOUT)
    state.add(table("m", started.generation), {"v1|ok": 50.0, "v2|errors": 50.0})
    conductor.judge_all()
    assert written(desk).plan.weights == {"v1": 10_000}


@pytest.mark.parametrize("set_by", [-3600.0, 3600.0])
def test_a_step_lasts_its_time_whatever_the_clocks_say(tmp_path: Path, set_by: float) -> None:
    """Begun by a server whose clock differs; only a worker that has just started has nothing else to go by."""
    now = 1000.0
    state = MemoryState(tmp_path)
    router = Router(state, logger("tests"), None, lambda: 1e9 + now, lambda: now)
    router.refresh()
    desk = TrafficDesk(state, router, lambda *_, **__: None, lambda: 1e9 + now + set_by)
    conductor = Conductor(state, router, desk, lambda *_: "digest", logger("tests"))
    started = desk.start("m", "v1", replace(ROLLOUT, interval_s=60))
    state.add(table("m", started.generation), {"v1|ok": 50.0, "v2|ok": 50.0})
    for seconds, trials in ((59, ["m"]), (1, [])):
        now += seconds
        conductor.judge_all()
        assert router.on_trial() == trials
