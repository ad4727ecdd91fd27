"""Which version answers, why, and what is counted of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from app.cache.book import Plan as CachePlan
from app.cache.memory import MemoryTier
from app.cache.tiered import PredictionCache
from app.errors import InvalidInput, ModelFailed, VersionNotFound
from app.journal.outcomes import Outcomes
from app.journal.shadow import Shadow
from app.journal.spare import Load
from app.predictor import Predictor
from app.registry.registry import Registry
from app.registry.repository import Repository
from app.routing.evidence import group_table, grouped, table
from app.routing.plan import Plan, Traffic
from app.routing.rollout import Rollout
from app.routing.router import KIND, Router
from app.runtimes.onnx import OnnxRuntime
from app.state.base import StateUnavailable
from app.state.memory import MemoryState
from app.tensors import Records, Request, Rows
from tests.models import TinyModel, fragile, linear, masked, square_root
from tests.programs import wait_until

LOG = structlog.get_logger()


class Pipeline:
    """A predictor over real versions, whose plan can be set."""

    def __init__(self, folder: Path, *models: TinyModel) -> None:
        repository = Repository(folder / "models")
        for model in models:
            model.add(repository)
        self.state = MemoryState(folder / "var")
        registry = Registry(
            repository,
            lambda model, external, *_: OnnxRuntime(model, external),
            LOG,
            default_versions={models[0].manifest.name: models[0].manifest.version},
        )
        self.model = models[0].manifest.name
        self.router = Router(self.state, LOG)
        self.outcomes = Outcomes(self.state)
        self.dropped: list[None] = []
        self.shadow = Shadow(registry, self.outcomes, LOG, lambda: self.dropped.append(None))
        cache = PredictionCache(MemoryTier(10, 10_000), None, {}, CachePlan("off", "off", 60))
        self.predictor = Predictor(registry, cache, self.router, self.outcomes, self.shadow)
        self.generation = 0

    def plan(self, weights: dict[str, int], rollout: Rollout | None = None, **more: Any) -> None:
        traffic = Traffic(Plan(weights, **more), rollout=rollout)
        assert self.state.swap(KIND, self.model, self.generation, traffic.dump())
        self.generation += 1
        self.router.refresh()

    def ask(self, *row: float, **more: Any) -> Any:
        prediction = self.predictor.predict(Request(self.model, more.pop("version", None), Rows([list(row)]), **more))
        return SimpleNamespace(
            version=prediction.version,
            reason=prediction.reason,
            variant=prediction.variant,
            answers=prediction.answers("instances[{i}]"),
        )

    def counted(self) -> dict[str, float]:
        self.outcomes.publish()
        return self.state.numbers(table(self.model, self.generation))


@pytest.fixture
def two(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path, linear(), linear((10.0, 10.0), version="v2"))


def trial(stable: str = "v1", canary: str = "v2") -> Rollout:
    return Rollout("r1", stable, canary, "digest")


def test_without_a_plan_the_default_answers_and_nothing_is_counted(two: Pipeline) -> None:
    answer = two.ask(1, 1)
    assert (answer.version, answer.reason) == ("v1", "default")
    assert two.ask(1, 1, version="v2").reason == "explicit"
    assert two.ask(1, 1, version="v2", override=True).reason == "override"
    assert two.counted() == {}


def test_weights_units_and_variants(two: Pipeline) -> None:
    two.plan({"v1": 5000, "v2": 5000}, variants={"v1": "blue", "v2": "green"})
    seen = {two.ask(1, 1).version for _ in range(64)}
    assert seen == {"v1", "v2"}
    first = two.ask(1, 1, unit="anna")
    assert first.reason == "sticky"
    assert {two.ask(1, 1, unit="anna").version for _ in range(16)} == {first.version}
    assert first.variant == {"v1": "blue", "v2": "green"}[first.version]


def test_outcomes_are_of_dealt_requests_only(two: Pipeline) -> None:
    two.plan({"v2": 10_000})
    for _ in range(5):
        two.ask(1, 1)
    two.ask(1, 1, version="v1")
    two.ask(1, 1, version="v2", override=True)
    counted = two.counted()
    assert counted["v2|ok"] == 5
    assert sum(value for name, value in counted.items() if name.startswith("v2|t")) == 5
    assert not any(name.startswith("v1|") for name in counted)


def groups_of(pipeline: Pipeline) -> dict[str, dict[str, float]]:
    pipeline.outcomes.publish()
    return grouped(pipeline.state.records(group_table(pipeline.model, pipeline.generation)).values())


def test_requests_of_units_that_stick_are_counted_by_group_too(two: Pipeline) -> None:
    two.plan({"v1": 5000, "v2": 5000})
    for number in (*range(30), *range(30)):
        two.ask(1, 1, unit=f"u{number}")
        two.ask(1, 1)
    groups = groups_of(two)
    assert {counts["ok"] % 2 for counts in groups.values()} == {0}, "a unit keeps its group"
    assert sum(counts["ok"] for counts in groups.values()) == 60
    assert sum(count for field, count in two.counted().items() if field.endswith("|ok")) == 120


@pytest.mark.parametrize(
    "plan", [{"weights": {"v1": 5000, "v2": 5000}, "unit": "request"}, {"weights": {"v2": 10_000}}]
)
def test_nothing_is_counted_by_group_where_versions_have_no_units_of_their_own(
    two: Pipeline, plan: dict[str, Any]
) -> None:
    two.plan(**plan)
    two.ask(1, 1, unit=None if "unit" in plan else "anna")
    assert groups_of(two) == {}


def test_groups_are_of_one_generation_and_told_when_state_comes_back(
    two: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        two.plan({"v1": 5000, "v2": 5000})
        two.ask(1, 1, unit="anna")

    def away(table: str, _: object) -> None:
        raise StateUnavailable(table)

    with monkeypatch.context() as patch:
        patch.setattr(two.state, "put", away)
        assert groups_of(two) == {}
    assert [counts["ok"] for counts in groups_of(two).values()] == [1]


def test_a_version_that_is_not_here_falls_back_and_says_so(two: Pipeline) -> None:
    two.plan({"v9": 10_000})
    answer = two.ask(1, 1)
    assert (answer.version, answer.reason) == ("v1", "fallback")
    with pytest.raises(VersionNotFound):
        two.ask(1, 1, version="v9", override=True)


def test_a_failing_canary_costs_nobody_an_answer(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), fragile(name="m", version="v2"))
    pipeline.plan({"v2": 10_000}, trial())
    answer = pipeline.ask(7)
    assert (answer.version, answer.reason) == ("v1", "fallback")
    assert pipeline.ask(1).version == "v2"
    assert (pipeline.counted()["v2|errors"], pipeline.counted()["v2|ok"]) == (1, 1)


def test_without_a_rollout_a_failure_is_told(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), fragile(name="m", version="v2"))
    pipeline.plan({"v2": 10_000})
    with pytest.raises(ModelFailed):
        pipeline.ask(7)
    assert pipeline.counted() == {"v2|errors": 1}


def test_answers_that_are_not_finite_are_failures_of_the_canary(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), square_root(name="m", version="v2"))
    pipeline.plan({"v2": 10_000}, trial())
    assert pipeline.ask(-1).reason == "fallback"
    assert pipeline.counted() == {"v2|errors": 1}
    pipeline.plan({"v2": 10_000})
    with pytest.raises(InvalidInput):
        pipeline.ask(-1)
    assert pipeline.counted() == {"v2|errors": 1}


def test_rows_that_only_the_canary_refuses_are_its_fault(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), linear((1.0, 1.0), name="m", version="v2"))
    pipeline.plan({"v2": 10_000}, trial())
    request = Request("m", None, Records([{"f0": 1.0}]))
    assert pipeline.predictor.predict(request).reason == "fallback"
    assert pipeline.counted() == {"v2|errors": 1}
    with pytest.raises(InvalidInput):
        pipeline.predictor.predict(Request("m", None, Records([{"f0": "x"}])))
    assert pipeline.counted() == {"v2|errors": 1}


def test_a_plan_that_vanishes_stays_in_force(two: Pipeline) -> None:
    two.plan({"v2": 10_000})
    (two.state._files._folder / "traffic.json").unlink()
    two.router.refresh()
    assert two.ask(1, 1).version == "v2"


def test_shadows_are_counted_and_touch_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine makes copies wait."""
    monkeypatch.setattr("app.journal.shadow.PATIENCE_S", 10)
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), fragile(name="m", version="v2"))
    pipeline.plan({"v1": 10_000}, shadow={"v2": 10_000})
    assert [pipeline.ask(row).answers[0]["prediction"] for row in (0, 1, 7)] == [0.5, 1.5, 7.5]
    wait_until(lambda: pipeline.counted().get("v2|errors") == 1 and pipeline.counted().get("v2|ok") == 2, 5, "shadows")
    assert pipeline.counted()["v1|ok"] == 3


def test_shadows_are_dropped_while_requests_are_answered(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), linear((2.0,), name="m", version="v2"))
    pipeline.plan({"v1": 10_000}, shadow={"v2": 10_000})
    with pipeline.shadow.in_flight:
        for _ in range(300):
            pipeline.ask(1)
        assert len(pipeline.dropped) >= 300 - 256 - 2
        wait_until(lambda: len(pipeline.dropped) >= 46, 5, "copies to be dropped one after the other")
    assert "v2|ok" not in pipeline.counted()


def test_shadows_are_dropped_where_requests_take_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(tmp_path, linear((1.0,), name="m"), linear((2.0,), name="m", version="v2"))
    pipeline.plan({"v1": 10_000}, shadow={"v2": 10_000})
    monkeypatch.setattr(Load, "high", lambda _: True)
    pipeline.ask(1)
    wait_until(lambda: len(pipeline.dropped) == 1, 5, "the copy to be dropped, though no request is in flight")
    assert "v2|ok" not in pipeline.counted()


def test_what_requests_take_is_told_from_what_their_copies_take(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = dict.fromkeys(("monotonic", "process_time", "thread_time"), 0.0)
    for name in clocks:
        monkeypatch.setattr(f"app.journal.spare.{name}", lambda name=name: clocks[name])
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    load = Load()
    seen = []
    for everything, copies in ((0.9, 0.0), (1.9, 0.0), (1.9, 1.5)):
        clocks["monotonic"] += 1
        clocks["process_time"] += everything
        clocks["thread_time"] += copies
        seen.append(load.high())
    assert seen == [False, True, False], "of two cores: 45 %, 95 %, 20 %"


def test_lists_that_must_be_as_long_as_each_other(tmp_path: Path) -> None:
    """The sender's mistake, not the model's, though only the model can tell."""
    pipeline = Pipeline(tmp_path, masked())
    rows = Records([{"ids": [1, 2, 3], "mask": [1, 0, 1]}])
    assert pipeline.predictor.predict(Request("masked", None, rows)).answers("")[0]["prediction"] == 4
    rows = Records([{"ids": [1, 2, 3], "mask": [1, 0]}])
    with pytest.raises(InvalidInput, match="mask: is 2 long where ids is 3"):
        pipeline.predictor.predict(Request("masked", None, rows))
