"""What follows on what, step by step: the rare turns that a random walk seldom takes."""

import pytest

from app.errors import TrafficConflict
from app.routing.plan import WHOLE, Plan, Traffic
from app.routing.rollout import Rollout
from app.routing.stages import advanced, begun, ended, planned, rolled_back


def begin(dry_run: bool = False) -> Traffic:
    rollout = Rollout("r", "v1", "v2", "sha-2", (1000,), dry_run=dry_run)
    return begun(Traffic(Plan({"v1": WHOLE})), rollout, 1.0)


def test_what_failed_is_not_tried_again_unless_it_is_forced() -> None:
    failed = ended(begin(), "failed", "it raises", 2.0)
    again = Rollout("s", "v1", "v2", "sha-2", (1000,))
    with pytest.raises(TrafficConflict, match="failed before"):
        begun(failed, again, 3.0)
    forced = begun(failed, again, 3.0, force=True)
    assert forced.plan.weights == {"v1": 9000, "v2": 1000}
    assert forced.banned == {}
    assert begun(failed, Rollout("s", "v1", "v2", "sha-3", (1000,)), 3.0).banned.keys() == {"sha-2"}


def test_rolling_back_after_a_failure_does_not_bring_it_to_everybody() -> None:
    default = Traffic(Plan({"v2": WHOLE}))
    pinned = planned(default, Plan({"v1": WHOLE}, at=0.5))
    failed = ended(begun(pinned, Rollout("r", "v1", "v2", "sha-2", (1000,)), 1.0), "failed", "it raises", 2.0)
    with pytest.raises(TrafficConflict, match="v2 traffic, which has failed since"):
        rolled_back(failed, "anna", 3.0)
    by_hand = planned(planned(failed, Plan({"v2": WHOLE}, at=4.0)), Plan({"v1": WHOLE}, at=5.0))
    assert rolled_back(by_hand, "anna", 6.0).plan.weights == {"v2": WHOLE}


@pytest.mark.parametrize(("dry_run", "weights"), [(False, {"v2": WHOLE}), (True, {"v1": WHOLE})])
def test_the_last_step_promotes_what_was_no_dry_run(dry_run: bool, weights: dict[str, int]) -> None:
    over = advanced(begin(dry_run), {}, 100.0)
    assert over.rollout is not None
    assert (over.rollout.state, over.plan.weights, over.plan.shadow) == ("promoted", weights, {})
