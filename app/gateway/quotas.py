"""Quotas: exact over all workers and machines, without a round trip for every request.

Units live in shared state, in windows that open with the first unit taken. A worker takes what a request needs and,
where a limit is generous, a small share more (``reserves.SHARE``) to hand out by itself until the window ends.
What is taken is counted as used there and then, so reserves can leave a little of a limit unused but never exceed it;
a small limit is never reserved ahead and is exact to the unit.

A request that a trusted proxy asks again, because its worker died, is charged once: see ``app.state.ledger``.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic

from app import passage
from app.errors import QuotaExceeded
from app.gateway.caller import Quota, Standing
from app.gateway.reserves import Reserve, Supply
from app.state.base import State
from app.state.ledger import open_accounts
from app.state.shelf import Shelf

_MAX_RESERVES = 50_000


class Quotas:
    """Charges callers. ``parts`` is how many workers share a limit when they cannot ask one another.

    ``folder`` is what the workers of one server have in common, None where there is one process.
    """

    def __init__(self, state: State, parts: int, folder: Path | None = None) -> None:
        self._supply = Supply(state, parts)
        self._folder = folder
        self._charged = open_accounts(folder, "charged")
        self._reserves: OrderedDict[tuple[str, Quota], Reserve] = OrderedDict()
        self._guard = Lock()

    def settle(self, seat: int) -> None:
        """Go on with what the last worker in this seat had set aside."""
        if self._folder is not None:
            self._supply.shelf = Shelf(self._folder / f"reserves-{seat}")

    def charge(self, subject: str, quotas: Sequence[Quota], units: int, *, may_guess: bool = True) -> Standing | None:
        """Take units from every quota or from none; how the caller stands with the tightest.

        Raises:
            QuotaExceeded: one of them has too few left.
            GateUnavailable: shared state is away and ``may_guess`` is False.
        """
        if not quotas:
            return None
        if passage.current() is None:
            return self._take(subject, quotas, units, may_guess)
        whose = (subject, quotas[0].unit)
        standing = self._take(subject, quotas, 0 if self._charged.settled(whose) else units, may_guess)
        self._charged.note(whose)
        return standing

    def _take(self, subject: str, quotas: Sequence[Quota], units: int, may_guess: bool) -> Standing | None:
        taken: list[Reserve] = []
        tightest: Standing | None = None
        for quota in quotas:
            reserve = self._reserves.get((subject, quota)) or self._open(subject, quota)
            remaining = reserve.take(units, may_guess)
            if remaining < 0:
                for earlier in taken:
                    earlier.give_back(units)
                raise QuotaExceeded(*quota, reserve.ends - monotonic())
            taken.append(reserve)
            if tightest is None or remaining * tightest.quota.limit < tightest.remaining * quota.limit:
                tightest = Standing(quota, remaining, reserve.ends)
        return tightest

    def _open(self, subject: str, quota: Quota) -> Reserve:
        key = (subject, quota)
        with self._guard:
            reserve = self._reserves.get(key)
            if reserve is None:
                reserve = self._reserves[key] = Reserve(subject, quota, self._supply)
                if len(self._reserves) > _MAX_RESERVES:
                    self._reserves.popitem(last=False)
            return reserve
