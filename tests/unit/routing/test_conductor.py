"""What the judge makes of counts that somebody else has written."""

from pathlib import Path

import pytest

from app.routing.conductor import Conductor
from app.routing.desk import TrafficDesk
from app.routing.evidence import table
from app.routing.rollout import Rollout, Thresholds
from app.routing.router import Router
from app.state.memory import MemoryState
from app.telemetry.logs import logger


@pytest.mark.parametrize(
    "junk",
    [
        {"v1|ok": 50.0, "v2|ok": 50.0, "v2|pjunk": 9.0},
        {"v1|ok": 50.0, "v2|ok": 50.0, "v2|tjunk": 9.0},
        {"v1|ok": 1e306, "v2|ok": 1e306, "v2|errors": 1e306},
        {"v1|ok": -5.0, "v2|ok": 50.0},
    ],
)
def test_counts_that_are_none_hold_and_can_be_looked_at(tmp_path: Path, junk: dict[str, float]) -> None:
    state = MemoryState(tmp_path)
    router = Router(state, logger("tests"))
    desk = TrafficDesk(state, router, lambda *_, **__: None)
    conductor = Conductor(state, router, desk, logger("tests"))
    started = desk.start("m", "v1", Rollout("r", "v1", "v2", "digest", (5000,), 0, Thresholds(20)), force=False)
    state.add(table("m", started.generation), junk)
    verdict = conductor.verdict("m", started)
    assert verdict.decision == "hold"
    assert "cannot be read" in verdict.reasons[0]
