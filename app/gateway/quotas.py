"""Quotas: exact over all workers and machines, without a round trip for every request.

Units live in shared state, in windows that open with the first unit taken. A worker takes what a request needs and,
where a limit is generous, a small share more (``1/SHARE`` of the limit) to hand out by itself until the window ends.
What is taken is counted as used there and then, so reserves can leave a little of a limit unused but never exceed it;
a limit under ``SHARE`` is never reserved ahead and is exact to the unit.

While shared state is away each worker goes on with its part of the limit, or refuses where guessing is not allowed.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from time import monotonic

from app.errors import GateUnavailable, QuotaExceeded
from app.gateway.caller import Quota, Standing
from app.state.base import Grant, State, StateUnavailable
from app.state.memory import Windows

SHARE = 100
_MAX_RESERVES = 50_000


class Quotas:
    """Charges callers. ``parts`` is how many workers share a limit when they cannot ask one another."""

    def __init__(self, state: State, parts: int) -> None:
        self._state = state
        self._parts = parts
        self._alone = Windows()
        self._reserves: OrderedDict[tuple[str, Quota], _Reserve] = OrderedDict()
        self._guard = Lock()

    def charge(self, subject: str, quotas: Sequence[Quota], units: int, *, may_guess: bool = True) -> Standing | None:
        """Take units from every quota or from none; how the caller stands with the tightest.

        Raises:
            QuotaExceeded: one of them has too few left.
            GateUnavailable: shared state is away and ``may_guess`` is False.
        """
        taken: list[_Reserve] = []
        tightest: Standing | None = None
        for quota in quotas:
            reserve = self._reserve(subject, quota)
            standing = reserve.take(units, self, may_guess)
            if standing.remaining < 0:
                for earlier in taken:
                    earlier.give_back(units)
                raise QuotaExceeded(quota.unit, quota.limit, quota.seconds, standing.reset_s)
            taken.append(reserve)
            if tightest is None or standing.remaining * tightest.quota.limit < tightest.remaining * quota.limit:
                tightest = standing
        return tightest

    def ask(self, subject: str, quota: Quota, need: int) -> Grant:
        """Units from shared state, with a reserve on top where the limit is generous.

        Raises:
            StateUnavailable
        """
        limit = quota.limit if self._state.shared else quota.limit // self._parts
        return self._state.take(_key(subject, quota), need, need + limit // SHARE, limit, quota.seconds)

    def guess(self, subject: str, quota: Quota, need: int, known_left: int) -> Grant:
        """Units while shared state is away: this worker's part of what it last knew to be left in the window."""
        return self._alone.take(_key(subject, quota), need, need, known_left // self._parts, quota.seconds)

    def _reserve(self, subject: str, quota: Quota) -> "_Reserve":
        key = (subject, quota)
        with self._guard:
            reserve = self._reserves.get(key)
            if reserve is None:
                reserve = self._reserves[key] = _Reserve(subject, quota)
                if len(self._reserves) > _MAX_RESERVES:
                    self._reserves.popitem(last=False)
            return reserve


def _key(subject: str, quota: Quota) -> str:
    return f"quota:{quota.unit}:{quota.limit}:{quota.seconds}:{subject}"


class _Reserve:
    """Units of one quota that this worker has taken and not yet handed out."""

    __slots__ = ("_ends", "_guard", "_known_left", "_left", "_quota", "_remaining", "_subject")

    def __init__(self, subject: str, quota: Quota) -> None:
        self._subject = subject
        self._quota = quota
        self._left = 0
        self._remaining = quota.limit
        self._known_left = quota.limit
        self._ends = 0.0
        self._guard = Lock()

    def take(self, units: int, quotas: Quotas, may_guess: bool) -> Standing:
        """Hand units out; the standing's ``remaining`` is -1 when there are too few."""
        with self._guard:
            now = monotonic()
            if now >= self._ends:
                self._left = 0
                self._remaining = self._known_left = self._quota.limit
            if self._left < units and self._remaining:
                grant = self._granted(units - self._left, quotas, may_guess)
                self._left += grant.units
                self._remaining = grant.remaining
                self._ends = now + grant.reset_s
            if self._left < units:
                return Standing(self._quota, -1, self._ends - now)
            self._left -= units
            return Standing(self._quota, self._remaining + self._left, self._ends - now)

    def _granted(self, need: int, quotas: Quotas, may_guess: bool) -> Grant:
        try:
            grant = quotas.ask(self._subject, self._quota, need)
        except StateUnavailable:
            if not may_guess:
                raise GateUnavailable from None
            return quotas.guess(self._subject, self._quota, need, self._known_left)
        self._known_left = grant.remaining
        return grant

    def give_back(self, units: int) -> None:
        """Units that were handed out for nothing."""
        with self._guard:
            self._left += units
