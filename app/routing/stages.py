"""What may become of a model's traffic: pure steps from one document to the next."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.errors import TrafficConflict
from app.routing.plan import MAX_BEFORE, WHOLE, Plan, Traffic
from app.routing.rollout import Rollout, RolloutState


def planned(traffic: Traffic, plan: Plan) -> Traffic:
    """Another plan by hand; the one in force can be returned to.

    Raises:
        TrafficConflict: a rollout owns the weights.
    """
    if traffic.rollout and traffic.rollout.running:
        raise TrafficConflict(f"a rollout of {traffic.rollout.canary} is running; abort or promote it first")
    return replace(traffic, plan=plan, before=_pushed(traffic.plan, traffic.before))


def rolled_back(traffic: Traffic, by: str, now: float) -> Traffic:
    """The plan before this one; a rollout that runs is aborted, which is the same.

    Raises:
        TrafficConflict: there was none, or it is from before its version failed: whoever asks for it after that has
            seen the failure, and not that everybody is back already.
    """
    last = traffic.rollout
    if last and last.running:
        return ended(traffic, "aborted", f"rolled back by {by}", now)
    if not traffic.before:
        raise TrafficConflict("there is no plan before this one")
    plan = traffic.before[0]
    if last and last.state == "failed" and last.canary in plan.weights and plan.at <= last.started:
        raise TrafficConflict(
            f"the plan before this one gives {last.canary} traffic, which has failed since ({last.reason}); if that is"
            " wanted, set it as a new plan"
        )
    return replace(traffic, plan=replace(plan, by=by, at=now), before=traffic.before[1:])


def begun(traffic: Traffic, rollout: Rollout, now: float, force: bool = False) -> Traffic:
    """The first step of a rollout.

    Raises:
        TrafficConflict: one is running, the canary failed before, or other versions than the stable one have traffic.
    """
    held = traffic.rollout
    if held and held.running:
        raise TrafficConflict(f"a rollout of {held.canary} is running; abort or promote it first")
    if rollout.canary == rollout.stable:
        raise TrafficConflict(f"{rollout.canary} answers everything already; give the others traffic first")
    others = sorted(traffic.plan.weights.keys() - {rollout.stable})
    if others:
        raise TrafficConflict(f"{', '.join(others)} has traffic; give all of it to {rollout.stable} first")
    if rollout.digest in traffic.banned and not force:
        raise TrafficConflict(
            f"this file failed before ({traffic.banned[rollout.digest]}); repair it, or force it to be tried again"
        )
    rollout = replace(rollout, started=now, stepped=now)
    banned = {digest: why for digest, why in traffic.banned.items() if digest != rollout.digest}
    return replace(
        traffic,
        plan=_plan_of(traffic.plan, rollout),
        before=_pushed(traffic.plan, traffic.before),
        banned=banned,
        rollout=_noted(rollout, now, "started", ""),
        past=((held, *traffic.past) if held else traffic.past)[:MAX_BEFORE],
    )


def advanced(traffic: Traffic, evidence: Mapping[str, Any], now: float) -> Traffic:
    """The next step, or promotion after the last."""
    rollout = _running(traffic)
    if rollout.step + 1 == len(rollout.steps):
        return ended(traffic, "promoted", "every step was passed", now, evidence)
    rollout = replace(_noted(rollout, now, "passed", "", evidence), step=rollout.step + 1, stepped=now)
    return replace(traffic, plan=_plan_of(traffic.plan, rollout), rollout=rollout)


def ended(
    traffic: Traffic, state: RolloutState, reason: str, now: float, evidence: Mapping[str, Any] | None = None
) -> Traffic:
    """The end of a rollout: everybody on the canary when it is promoted, else on what was there before.

    Raises:
        TrafficConflict: none is running.
    """
    rollout = _running(traffic)
    before = traffic.before[0]
    if state == "promoted" and not rollout.dry_run:
        plan, kept = replace(before, weights={rollout.canary: WHOLE}, note="promoted", at=now), traffic.before
    else:
        plan, kept = before, traffic.before[1:]
    banned = traffic.banned
    if state == "failed":
        banned = {**banned, rollout.digest: f"{rollout.canary}: {reason}"[:300]}
    over = replace(_noted(rollout, now, state, reason, evidence), state=state, reason=reason, ended=now)
    return replace(traffic, plan=plan, before=kept, banned=banned, rollout=over)


def _running(traffic: Traffic) -> Rollout:
    if traffic.rollout is None or not traffic.rollout.running:
        raise TrafficConflict("no rollout is running")
    return traffic.rollout


def _plan_of(plan: Plan, rollout: Rollout) -> Plan:
    """A rollout deals its units by its own salt: who gets one canary is not who got the last."""
    at_work = replace(plan, salt=rollout.id, variants={}, note=f"rollout {rollout.id}, step {rollout.step + 1}")
    if rollout.dry_run:
        return replace(at_work, weights={rollout.stable: WHOLE}, shadow={rollout.canary: rollout.share})
    left = WHOLE - rollout.share
    weights = {rollout.stable: left, rollout.canary: rollout.share} if left else {rollout.canary: WHOLE}
    return replace(at_work, weights=weights, shadow={})


def _noted(
    rollout: Rollout, now: float, decision: str, reason: str, evidence: Mapping[str, Any] | None = None
) -> Rollout:
    entry = {
        "at": now,
        "step": rollout.step + 1,
        "percent": rollout.share / 100,
        "decision": decision,
        "reason": reason,
        "evidence": dict(evidence or {}),
    }
    return replace(rollout, log=(*rollout.log, entry))


def _pushed(plan: Plan, before: tuple[Plan, ...]) -> tuple[Plan, ...]:
    return (plan, *before)[:MAX_BEFORE]
