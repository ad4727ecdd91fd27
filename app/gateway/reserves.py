"""Where a worker's units come from, and those it has taken and not yet handed out.

While shared state is away each worker goes on with its part of the limit, or refuses where guessing is not allowed.
"""

from threading import Lock
from time import monotonic

from app.errors import GateUnavailable
from app.gateway.caller import Quota
from app.state.base import Grant, State, StateUnavailable
from app.state.memory import Windows
from app.state.shelf import Shelf, Stock

SHARE = 100
"""A worker reserves this part of a limit; one below it is never reserved ahead."""


class Supply:
    """Shared state, and what goes on without it. ``shelf`` is where reserves outlive their worker."""

    def __init__(self, state: State, parts: int) -> None:
        self._state = state
        self._parts = parts
        self._alone = Windows()
        self.shelf: Shelf | None = None

    def ask(self, subject: str, quota: Quota, need: int) -> Grant:
        """Units from shared state, with a reserve on top where that is far and the limit generous.

        Raises:
            StateUnavailable
        """
        key = _key(subject, quota)
        if not self._state.shared:
            return self._state.take(key, need, need, quota.limit // self._parts, quota.seconds)
        return self._state.take(key, need, need + quota.limit // SHARE, quota.limit, quota.seconds)

    def guess(self, subject: str, quota: Quota, need: int, known_left: int) -> Grant:
        """Units while shared state is away: this worker's part of what it last knew to be left in the window."""
        return self._alone.take(_key(subject, quota), need, need, known_left // self._parts, quota.seconds)

    def own_up(self, subject: str, quota: Quota, units: int) -> None:
        """Tell shared state of units that were guessed while it was away.

        Raises:
            StateUnavailable
        """
        self._state.take(_key(subject, quota), 0, units, quota.limit, quota.seconds)


class Reserve:
    """Units of one quota that this worker has taken and not yet handed out; its window ends at ``ends`` (monotonic)."""

    __slots__ = (
        "_alone",
        "_guard",
        "_guessed",
        "_known_left",
        "_left",
        "_place",
        "_remaining",
        "_subject",
        "_supply",
        "ends",
        "quota",
    )

    def __init__(self, subject: str, quota: Quota, supply: Supply) -> None:
        self._subject = subject
        self.quota = quota
        self._supply = supply
        self._guard = Lock()
        self._alone, self._guessed = False, 0
        self._place = supply.shelf.place(hash((subject, quota))) if supply.shelf else None
        kept = self._place.find() if self._place else None
        self._left, self._remaining, self._known_left, self.ends = kept or (0, quota.limit, quota.limit, 0.0)

    def take(self, units: int, may_guess: bool) -> int:
        """Hand units out; what is left of the quota then, -1 when there are too few.

        Raises:
            GateUnavailable: shared state is away and ``may_guess`` is False.
        """
        with self._guard:
            now = monotonic()
            if now >= self.ends or self._left < units:
                self._fill_up(units, now, may_guess)
            if self._left < units:
                return -1
            self._left -= units
            if self._place is not None:
                self._place.keep_left(self._left)
            return self._remaining + self._left

    def _fill_up(self, units: int, now: float, may_guess: bool) -> None:
        over = now >= self.ends
        if over:
            self._left = self._guessed = 0
            self._remaining = self._known_left = self.quota.limit
        if over or self._remaining or self._alone:
            grant = self._granted(units - self._left, may_guess)
            self._left += grant.units
            self._remaining = grant.remaining
            self.ends = now + grant.reset_s
        self._set_aside()

    def give_back(self, units: int) -> None:
        """Units that were handed out for nothing."""
        with self._guard:
            self._left += units
            self._set_aside()

    def _granted(self, need: int, may_guess: bool) -> Grant:
        """While alone, shared state is asked each time: that costs nothing until it is there again."""
        try:
            grant = self._asked(need)
        except StateUnavailable:
            if not may_guess:
                raise GateUnavailable from None
            grant = self._supply.guess(self._subject, self.quota, need, self._known_left)
            self._alone = True
            self._guessed += grant.units
            return grant
        self._alone = False
        self._known_left = grant.remaining
        return grant

    def _asked(self, need: int) -> Grant:
        if self._guessed:
            self._supply.own_up(self._subject, self.quota, self._guessed)
            self._guessed = 0
        return self._supply.ask(self._subject, self.quota, need)

    def _set_aside(self) -> None:
        """Whoever takes over from a worker that was alone asks again, whatever that one's own part came to."""
        if self._place is not None:
            remaining = self._remaining or int(self._alone)
            self._place.keep(Stock(self._left, remaining, self._known_left, self.ends))


def _key(subject: str, quota: Quota) -> str:
    return f"quota:{quota.unit}:{quota.limit}:{quota.seconds}:{subject}"
