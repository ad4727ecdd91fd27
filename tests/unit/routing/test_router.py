"""What a worker's router knows: adopted from shared state, given back to it, kept while it is away."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from app.routing.plan import WHOLE, Plan, Traffic
from app.routing.rollout import Rollout
from app.routing.router import KIND, Router
from app.state.base import Document, StateUnavailable
from app.state.files import DocumentFiles
from app.state.memory import MemoryState


@pytest.fixture
def state(tmp_path: Path) -> MemoryState:
    return MemoryState(tmp_path)


@pytest.fixture
def make(state: MemoryState) -> Callable[[], Router]:
    return lambda: Router(state, structlog.get_logger())


def text(version: str) -> str:
    return Traffic(Plan({version: WHOLE})).dump()


def test_a_plan_that_the_store_lost_is_given_back(state: MemoryState, make: Callable[[], Router]) -> None:
    ours, theirs = make(), make()
    for generation in range(3):
        state.swap(KIND, "m", generation, text(f"v{generation}"))
    ours.refresh()
    state._files._path(KIND).unlink()
    theirs.refresh()
    assert theirs.traffic("m") is None
    ours.refresh()
    assert state.documents(KIND)["m"] == Document(3, text("v2"))
    theirs.refresh()
    assert theirs.traffic("m") == ours.traffic("m")


def test_of_two_that_restore_the_later_plan_stays(state: MemoryState, make: Callable[[], Router]) -> None:
    early, late = make(), make()
    state.swap(KIND, "m", 0, text("v1"))
    early.refresh()
    state.swap(KIND, "m", 1, text("v2"))
    late.refresh()
    state._files._path(KIND).unlink()
    for router in (early, late, early):
        router.refresh()
    assert state.documents(KIND)["m"] == Document(2, text("v2"))
    assert early.choose("m", None, None).version == "v2"


def test_what_cannot_be_read_changes_nothing(
    state: MemoryState, make: Callable[[], Router], monkeypatch: pytest.MonkeyPatch
) -> None:
    router = make()
    state.swap(KIND, "m", 0, text("v1"))
    router.refresh()
    state.swap(KIND, "m", 1, "{ no plan")
    router.refresh()
    assert router.choose("m", None, None).version == "v1"

    def away(kind: str) -> dict[str, Document]:
        raise StateUnavailable(kind)

    monkeypatch.setattr(state, "documents", away)
    router.refresh()
    assert router.choose("m", None, None).version == "v1"


def test_a_worker_that_starts_without_the_store_goes_by_what_was_known(tmp_path: Path) -> None:
    class Away(MemoryState):
        def documents(self, kind: str) -> dict[str, Document]:
            raise StateUnavailable(kind)

    kept, state = DocumentFiles(tmp_path / "known"), MemoryState(tmp_path)
    state.swap(KIND, "m", 0, text("v1"))
    Router(state, structlog.get_logger(), kept).refresh()
    late, later = (Router(Away(tmp_path), structlog.get_logger(), kept) for _ in range(2))
    late.recall()
    late.refresh()
    assert late.choose("m", None, None).version == "v1"
    (tmp_path / "known" / "traffic.json").write_text("{ damaged")
    later.recall()
    assert later.choose("m", None, None).version is None


def test_a_worker_that_starts_goes_by_the_clock(state: MemoryState) -> None:
    rollout = Rollout("r", "v1", "v2", "sha", stepped=1000.0)
    state.swap(KIND, "m", 0, Traffic(Plan({"v1": WHOLE}), rollout=rollout).dump())
    router = Router(state, structlog.get_logger(), None, lambda: 1030.0, lambda: 5.0)
    router.refresh()
    assert (router.lasted("m", 1), router.lasted("m", 2)) == (30.0, 0.0)


def test_a_file_that_cannot_be_read_is_told_once(
    tmp_path: Path, state: MemoryState, make: Callable[[], Router]
) -> None:
    with capture_logs() as lines:
        router = make()
        for junk in ("[]", "{ damaged"):
            (tmp_path / "traffic.json").write_text(junk)
            for _ in range(3):
                router.refresh()
    assert [(line["event"], line["log_level"]) for line in lines] == [("plans_unreadable", "warning")] * 2
    with pytest.raises(StateUnavailable, match=r"traffic\.json in SLUICE_DATA_DIR cannot be read; mend or delete it"):
        state.documents(KIND)
