"""Deployers, traffic, a judge that dies and a store that goes away, in any order: what must hold at every moment."""

from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.errors import TrafficConflict
from app.routing.conductor import Conductor
from app.routing.desk import TrafficDesk
from app.routing.evidence import table
from app.routing.plan import WHOLE, Plan
from app.routing.rollout import Rollout, Thresholds
from app.routing.router import Router
from app.state.base import Document, StateUnavailable
from app.state.memory import MemoryState

LOG = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(50))
MODEL = "m"


class FlakyState(MemoryState):
    """Shared state that can be taken away."""

    away = False

    def documents(self, kind: str) -> dict[str, Document]:
        if self.away:
            raise StateUnavailable("taken away")
        return super().documents(kind)

    def swap(self, kind: str, name: str, generation: int, text: str) -> Document | None:
        if self.away:
            raise StateUnavailable("taken away")
        return super().swap(kind, name, generation, text)

    def numbers(self, table: str) -> dict[str, float]:
        if self.away:
            raise StateUnavailable("taken away")
        return super().numbers(table)


class Rollouts(RuleBasedStateMachine):
    """Versions v1 to v4; v3 raises errors. Nothing that raises is ever promoted, nothing without evidence moves."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.now = 1000.0
        self.audit: list[str] = []
        self.state = FlakyState(Path(self.folder.name))
        self.router = Router(self.state, LOG, None, lambda: self.now, lambda: self.now)
        self.desk = TrafficDesk(self.state, self.router, self.note, lambda: self.now)
        self.judge = self.new_judge()
        self.generation = 0
        self.evidence = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    def note(self, action: str, by: str, model: str, **facts: object) -> None:
        self.audit.append(action)

    def new_judge(self) -> Conductor:
        return Conductor(self.state, self.router, self.desk, lambda _, version: f"sha-{version}", LOG, lambda: self.now)

    @rule(canary=st.sampled_from(["v2", "v3", "v4"]), force=st.booleans(), dry_run=st.booleans())
    def start(self, canary: str, force: bool, dry_run: bool) -> None:
        held = None if self.state.away else self.desk.held(MODEL)
        stable = max(held.plan.weights, key=lambda name: held.plan.weights[name]) if held else "v1"
        rollout = Rollout(
            f"r{self.now}", stable, canary, f"sha-{canary}", (1000, 5000), 10, Thresholds(20), dry_run=dry_run
        )
        refused = (
            self.state.away
            or canary == stable
            or (held and held.rollout and held.rollout.running)
            or (held and len(held.plan.weights) > 1)
            or (held and f"sha-{canary}" in held.banned and not force)
        )
        try:
            self.desk.start(MODEL, "v1", rollout, force)
        except (TrafficConflict, StateUnavailable):
            assert refused
        else:
            assert not refused

    @rule(seconds=st.sampled_from([1, 11]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(requests=st.sampled_from([1, 60, 600]))
    def traffic_flows(self, requests: int) -> None:
        """Evidence arrives for the plan that this worker routes by."""
        traffic = self.router.traffic(MODEL)
        if traffic is None or self.state.away:
            return
        counts = {f"{name}|{'errors' if name == 'v3' else 'ok'}": requests * 1.0 for name in traffic.plan.weights}
        counts |= {f"{name}|{'errors' if name == 'v3' else 'ok'}": requests * 1.0 for name in traffic.plan.shadow}
        self.state.add(table(MODEL, traffic.generation), counts)

    @rule()
    def judging(self) -> None:
        before = self.desk.held(MODEL) if not self.state.away else None
        self.judge.judge_all()
        if before is None or before.rollout is None or not before.rollout.running:
            return
        after = self.desk.held(MODEL)
        assert after is not None
        assert after.rollout is not None
        if after.generation == before.generation:
            return
        moved = after.rollout.step > before.rollout.step or after.rollout.state == "promoted"
        if moved:
            counted = self.state.numbers(table(MODEL, before.generation))
            assert counted.get(f"{before.rollout.canary}|ok", 0) >= 20
            assert (
                counted.get(f"{before.rollout.stable}|ok", 0) + counted.get(f"{before.rollout.stable}|errors", 0) >= 20
            )
            assert self.now >= before.rollout.stepped + 10
            assert before.rollout.canary != "v3" or before.rollout.stable == "v3"

    @rule()
    def judge_is_killed(self) -> None:
        self.judge = self.new_judge()
        self.now += 6

    @rule()
    def state_goes_and_comes(self) -> None:
        self.state.away = not self.state.away
        self.router.refresh()

    @rule()
    def state_forgets(self) -> None:
        """As a Redis does that is killed and keeps nothing on disk."""
        if not self.state.away:
            (Path(self.folder.name) / "traffic.json").unlink(missing_ok=True)
            self.state._numbers.clear()

    @rule(by_hand=st.sampled_from(["promoted", "aborted"]))
    def ended_by_hand(self, by_hand: str) -> None:
        try:
            self.desk.end(MODEL, "v1", by_hand, "anna")  # type: ignore[arg-type]
        except (TrafficConflict, StateUnavailable):
            return

    @rule(points=st.integers(0, WHOLE), seen=st.integers(-1, 1))
    def plan_by_hand(self, points: int, seen: int) -> None:
        held = None if self.state.away else self.desk.held(MODEL)
        generation = (held.generation if held else 0) + seen
        weights = {name: share for name, share in {"v1": WHOLE - points, "v2": points}.items() if share}
        try:
            self.desk.set_plan(MODEL, "v1", Plan(weights), generation)
        except StateUnavailable:
            assert self.state.away
        except TrafficConflict:
            assert seen or (held and held.rollout and held.rollout.running)
        else:
            assert not seen

    @rule()
    def roll_back(self) -> None:
        try:
            after = self.desk.roll_back(MODEL, "v1", "anna", None)
        except (TrafficConflict, StateUnavailable):
            return
        assert after.rollout is None or not after.rollout.running

    @invariant()
    def weights_are_whole(self) -> None:
        traffic = self.router.traffic(MODEL)
        if traffic is not None:
            assert sum(traffic.plan.weights.values()) == WHOLE
            assert all(weight > 0 for weight in traffic.plan.weights.values())

    @invariant()
    def rollout_and_weights_agree(self) -> None:
        traffic = self.router.traffic(MODEL)
        if traffic is None or traffic.rollout is None:
            return
        rollout, plan = traffic.rollout, traffic.plan
        if rollout.running and rollout.dry_run:
            assert plan.weights == {rollout.stable: WHOLE}
            assert plan.shadow == {rollout.canary: rollout.share}
        elif rollout.running:
            assert plan.weights.get(rollout.canary, 0) == rollout.share
        if rollout.state == "failed":
            assert rollout.digest in traffic.banned

    @invariant()
    def what_is_known_is_not_lost(self) -> None:
        traffic = self.router.traffic(MODEL)
        if traffic is not None and not self.state.away:
            held = self.desk.held(MODEL)
            assert held is not None
            assert held.generation >= traffic.generation

    @invariant()
    def generations_only_grow(self) -> None:
        traffic = self.router.traffic(MODEL)
        if traffic is not None:
            assert traffic.generation >= self.generation
            self.generation = traffic.generation


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
