"""Where traffic is changed. Every change is one swap of the model's document, so of two writers one wins."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import time
from typing import Protocol

from app.errors import TrafficConflict
from app.routing import stages
from app.routing.evidence import group_table, table
from app.routing.plan import WHOLE, Plan, Traffic, parse_traffic
from app.routing.rollout import Rollout, RolloutState
from app.routing.router import KIND, Router
from app.state.base import State, StateUnavailable


class Witnessed(Protocol):
    """Writes an audit line."""

    def __call__(self, action: str, by: str, model: str, **facts: object) -> None:
        """``action`` by whom, on which model."""
        ...


class TrafficDesk:
    """Reads the document that is in force, makes the next one of it, and swaps them."""

    def __init__(self, state: State, router: Router, note: Witnessed, clock: Callable[[], float] = time) -> None:
        self._state = state
        self._router = router
        self._note = note
        self._clock = clock

    def held(self, model: str) -> Traffic | None:
        """The document as shared state has it now, None for a model without one.

        Raises:
            StateUnavailable
        """
        document = self._state.documents(KIND).get(model)
        if self._router.lost(model, document):
            self._router.refresh()
            document = self._state.documents(KIND).get(model)
        try:
            return None if document is None else parse_traffic(document.text, document.generation)
        except ValueError:
            raise StateUnavailable(
                f"the traffic document of {model} cannot be read; delete it there, and the workers put back theirs"
            ) from None

    def set_plan(self, model: str, default: str, plan: Plan, generation: int | None) -> Traffic:
        """Another plan; ``generation`` is the one that the writer has seen, None for whichever there is.

        Raises:
            TrafficConflict: somebody else was quicker, or a rollout is running.
            StateUnavailable
        """
        held = self._expected(model, default, generation)
        return self.write(model, stages.planned(held, replace(plan, at=self._clock())), "traffic:set", plan.by)

    def roll_back(self, model: str, default: str, by: str, generation: int | None) -> Traffic:
        """The plan before; aborts a rollout.

        Raises:
            TrafficConflict, StateUnavailable: as ``set_plan``.
        """
        held = self._expected(model, default, generation)
        return self.write(model, stages.rolled_back(held, by, self._clock()), "traffic:rollback", by)

    def start(self, model: str, default: str, rollout: Rollout, force: bool = False) -> Traffic:
        """Begin a rollout.

        Raises:
            TrafficConflict: one is running, it failed before, or other versions have traffic.
            StateUnavailable
        """
        held = self._expected(model, default, None)
        begun = stages.begun(held, rollout, self._clock(), force)
        return self.write(model, begun, "rollout:start", rollout.by, canary=rollout.canary)

    def end(self, model: str, default: str, state: RolloutState, by: str) -> Traffic:
        """Promote or abort by hand.

        Raises:
            TrafficConflict: no rollout is running.
            StateUnavailable
        """
        held = self._expected(model, default, None)
        over = stages.ended(held, state, f"{state} by {by}", self._clock())
        return self.write(model, over, f"rollout:{state}", by)

    def write(self, model: str, traffic: Traffic, action: str, by: str, **facts: object) -> Traffic:
        """Swap a document that was made from the one of ``traffic.generation``; this worker routes by it at once.

        Raises:
            TrafficConflict: it was replaced meanwhile.
            StateUnavailable
        """
        document = self._state.swap(KIND, model, traffic.generation, traffic.dump())
        if document is None:
            raise TrafficConflict(f"the traffic of {model} was changed meanwhile; look at it and try again")
        self._note(action, by, model, generation=document.generation, weights=dict(traffic.plan.weights), **facts)
        if traffic.generation > 1:
            with suppress(StateUnavailable):  # what was written is in force all the same
                self._state.remove(table(model, traffic.generation - 1))
                self._state.remove(group_table(model, traffic.generation - 1))
        self._router.refresh()
        return replace(traffic, generation=document.generation)

    def _expected(self, model: str, default: str, generation: int | None) -> Traffic:
        held = self.held(model) or Traffic(Plan({default: WHOLE}, note="the default version"))
        if generation is not None and generation != held.generation:
            raise TrafficConflict(f"the traffic of {model} is at generation {held.generation}, not {generation}")
        return held
