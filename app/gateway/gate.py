"""The gate: credentials in, a caller out, or the reason why not. Every denial is audited."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from app.errors import Forbidden, GateUnavailable, QuotaExceeded, Unauthenticated
from app.gateway.addresses import household
from app.gateway.audit import AuditLog
from app.gateway.caller import Admission, Caller, Credentials, Quota, Standing
from app.gateway.identity import shown_id
from app.gateway.quotas import Quotas

Identify = Callable[[Credentials], Caller | None]

CEILING = "everybody"


@dataclass(frozen=True, slots=True)
class Rules:
    """The quotas that are not a caller's own."""

    anonymous: tuple[Quota, ...]
    writes: tuple[Quota, ...]
    ceiling: tuple[Quota, ...]


class Gate(Protocol):
    """Who may come in, and how much of everything they may have."""

    def admit(self, credentials: Credentials, scope: str, model: str | None = None) -> Admission:
        """The caller, counted as one request.

        Raises:
            Unauthenticated, Forbidden, QuotaExceeded, GateUnavailable
        """
        ...

    def permit(self, caller: Caller, scope: str, model: str | None) -> None:
        """Let an admitted caller go on to a model that was not known when it came in.

        Raises:
            Forbidden
        """
        ...

    def charge_rows(self, caller: Caller, model: str, rows: int) -> None:
        """Count predicted rows of a model.

        Raises:
            Forbidden, QuotaExceeded
        """
        ...

    def settle(self, seat: int) -> None:
        """Tell this worker's seat: it goes on with the units that the last worker in that seat had set aside."""
        ...


class OpenGate:
    """``SLUICE_AUTH=off``: everybody may do everything. Only ever on a loopback address."""

    _everybody = Admission(Caller("open", "open", "admin", frozenset({"*"})))

    def admit(self, credentials: Credentials, scope: str, model: str | None = None) -> Admission:
        """See ``Gate.admit``."""
        return self._everybody

    def permit(self, caller: Caller, scope: str, model: str | None) -> None:
        """See ``Gate.permit``."""

    def charge_rows(self, caller: Caller, model: str, rows: int) -> None:
        """See ``Gate.charge_rows``."""

    def settle(self, seat: int) -> None:
        """See ``Gate.settle``."""


class GuardedGate:
    """Keys and tokens, roles, quotas, audit."""

    def __init__(self, rules: Rules, identify: Identify, quotas: Quotas, audit: AuditLog) -> None:
        self._rules = rules
        self._identify = identify
        self._quotas = quotas
        self._audit = audit

    def admit(self, credentials: Credentials, scope: str, model: str | None = None) -> Admission:
        """See ``Gate.admit``."""
        caller = self._identify(credentials)
        if caller is None:
            self._turn_away(credentials, scope)
        standing = self._count(caller, scope)  # before the scope: being refused, and the line it costs, is not free
        self.permit(caller, scope, model)
        if scope.endswith(":write"):
            self._audit.record(scope, "allowed", caller.subject, caller.address, name=caller.name, model=model)
        return Admission(caller, standing)

    def charge_rows(self, caller: Caller, model: str, rows: int) -> None:
        """See ``Gate.charge_rows``."""
        self.permit(caller, "predict", model)
        if caller.row_quotas:
            self._charge(caller, "predict", caller.row_quotas, rows)

    def settle(self, seat: int) -> None:
        """See ``Gate.settle``."""
        self._quotas.settle(seat)

    def permit(self, caller: Caller, scope: str, model: str | None) -> None:
        """See ``Gate.permit``."""
        if caller.holds(scope) and (model is None or caller.sees(model)):
            return
        self._audit.record(
            scope, "denied", caller.subject, caller.address, reason="forbidden", name=caller.name, model=model
        )
        raise Forbidden(scope)

    def _turn_away(self, credentials: Credentials, scope: str) -> NoReturn:
        """Nobody we know: counted against the address, so that guessing has a price."""
        subject = f"address:{household(credentials.address)}"
        stranger = Caller(subject, "anonymous", "anonymous", frozenset(), address=credentials.address)
        self._charge(stranger, scope, self._rules.anonymous, 1)
        self._audit.record(
            scope, "denied", subject, credentials.address, reason="unauthenticated", key=shown_id(credentials)
        )
        raise Unauthenticated

    def _count(self, caller: Caller, scope: str) -> Standing | None:
        if self._rules.ceiling:
            self._charge(caller, scope, self._rules.ceiling, 1, subject=CEILING)
        if scope.endswith(":write") and self._rules.writes:
            self._charge(caller, scope, self._rules.writes, 1, subject=f"writes:{caller.subject}", may_guess=False)
        return self._charge(caller, scope, caller.request_quotas, 1) if caller.request_quotas else None

    def _charge(
        self,
        caller: Caller,
        scope: str,
        quotas: Sequence[Quota],
        units: int,
        subject: str | None = None,
        may_guess: bool = True,
    ) -> Standing | None:
        try:
            return self._quotas.charge(subject or caller.subject, quotas, units, may_guess=may_guess)
        except (QuotaExceeded, GateUnavailable) as error:
            reason = "quota" if isinstance(error, QuotaExceeded) else "state-away"
            self._audit.record(
                scope, "denied", caller.subject, caller.address, reason=reason, name=caller.name, limit=str(error)
            )
            raise
