"""Roles as the gate uses them."""

from collections.abc import Callable
from dataclasses import dataclass

from app.gateway.caller import Quota, Unit


@dataclass(frozen=True, slots=True)
class Role:
    """Scopes, the models they hold for (None: all), and the quotas of a caller who has none of its own."""

    name: str
    scopes: frozenset[str]
    models: frozenset[str] | None = None
    quotas: tuple[Quota, ...] = ()


def parse_quota(text: str, parse_limits: Callable[[str], tuple[tuple[int, int], ...]]) -> tuple[Quota, ...]:
    """Quotas from a key's own text, ``requests=100/minute``.

    Raises:
        ValueError: the unit is neither requests nor rows, or what follows is no limit.
    """
    unit, _, limits = text.partition("=")
    if unit.strip() not in {"requests", "rows"}:
        raise ValueError(f"a quota is requests=... or rows=..., not {text!r}")
    try:
        return quotas_of(unit.strip(), parse_limits(limits))  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"{limits!r} is no limit; write {unit.strip()}=100/minute, for example") from None


def quotas_of(unit: Unit, limits: tuple[tuple[int, int], ...]) -> tuple[Quota, ...]:
    """Limits (how many, in how many seconds) of one unit."""
    return tuple(Quota(unit, limit, seconds) for limit, seconds in limits)
