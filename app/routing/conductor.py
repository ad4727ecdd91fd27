"""Moves rollouts along: one of all workers judges them, once a second, and writes down only what changes.

The lease keeps the others from working for nothing; what keeps a stale judge from doing harm is the swap, which it
loses. A judge that is killed leaves the document as it stands, and the next holder of the lease goes on from there.
"""

from collections.abc import Callable
from os import getpid
from socket import gethostname
from threading import Lock, Thread
from time import sleep, time
from typing import Any
from uuid import uuid4

from app.errors import TrafficConflict
from app.routing.desk import TrafficDesk
from app.routing.evidence import Arm, arm_of, table
from app.routing.judge import Verdict, judge
from app.routing.plan import Traffic
from app.routing.router import Router
from app.routing.stages import advanced, ended
from app.state.base import State, StateUnavailable

PERIOD_S = 1.0
LEASE_S = 5.0
LEASE = "rollouts"


class Conductor:
    """The judge of one worker."""

    def __init__(
        self, state: State, router: Router, desk: TrafficDesk, log: Any, clock: Callable[[], float] = time
    ) -> None:
        self._state = state
        self._router = router
        self._desk = desk
        self._log = log
        self._clock = clock
        self._holder = f"{gethostname()}:{getpid()}:{uuid4().hex[:8]}"
        self._started = False
        self._guard = Lock()

    def start(self) -> None:
        """Start judging, once per worker."""
        with self._guard:
            if self._started:
                return
            self._started = True
        Thread(target=self._judge_forever, name="conductor", daemon=True).start()

    def judge_all(self) -> None:
        """One round: every rollout that is under way, if it is this worker's turn."""
        models = self._router.on_trial()
        try:
            if not models or not self._state.lease(LEASE, self._holder, LEASE_S):
                return
            for model in models:
                self.judge_one(model)
        except StateUnavailable as error:
            self._log.warning("rollouts_held", reason=str(error))

    def judge_one(self, model: str) -> None:
        """Judge a model's rollout and take the step that follows, if any.

        Raises:
            StateUnavailable: nothing is decided without evidence.
        """
        traffic = self._desk.held(model)
        if traffic is None or traffic.rollout is None or not traffic.rollout.running:
            return
        verdict = self.verdict(model, traffic)
        after = next_of(traffic, verdict, self._clock())
        if after is None:
            return
        told = after.rollout
        action = f"rollout:{told.state if told and not told.running else 'step'}"
        try:
            self._desk.write(model, after, action, "judge", reason="; ".join(verdict.reasons))
        except TrafficConflict:
            self._log.info("judge_too_late", model=model, generation=traffic.generation)
        else:
            self._log.info("rollout_judged", model=model, action=action, reasons=list(verdict.reasons))

    def verdict(self, model: str, traffic: Traffic) -> Verdict:
        """What the evidence of this generation says about the rollout that runs.

        Raises:
            StateUnavailable
        """
        rollout = traffic.rollout
        if rollout is None or not rollout.running:
            return Verdict("hold", ("no rollout is running",), {})
        try:
            known = self.evidence(model, traffic)
            return judge(known[rollout.stable], known[rollout.canary], rollout.thresholds, shadowed=rollout.dry_run)
        except (ValueError, ArithmeticError) as error:
            return Verdict("hold", (f"the counts cannot be read: {error}",), {})

    def evidence(self, model: str, traffic: Traffic) -> dict[str, Arm]:
        """What every version with traffic or copies did under this generation.

        Raises:
            StateUnavailable
            ValueError: a count is none.
        """
        numbers = self._state.numbers(table(model, traffic.generation))
        plan, rollout = traffic.plan, traffic.rollout
        on_trial = (rollout.stable, rollout.canary) if rollout and rollout.running else ()
        return {
            version: arm_of(numbers, version) for version in dict.fromkeys((*plan.weights, *plan.shadow, *on_trial))
        }

    def _judge_forever(self) -> None:
        while True:
            sleep(PERIOD_S)
            try:
                self.judge_all()
            except Exception as error:  # noqa: BLE001 - a rollout that cannot be judged is held; the next is not its hostage
                self._log.exception("judge_failed", error=repr(error))


def next_of(traffic: Traffic, verdict: Verdict, now: float) -> Traffic | None:
    """The document that follows, None to wait: a failure counts at once, a pass when the step's time is over."""
    rollout = traffic.rollout
    if rollout is None or not rollout.running or verdict.decision == "hold":
        return None
    if verdict.decision == "fail":
        return ended(traffic, "failed", "; ".join(verdict.reasons), now, verdict.evidence)
    return advanced(traffic, verdict.evidence, now) if now >= rollout.stepped + rollout.interval_s else None
