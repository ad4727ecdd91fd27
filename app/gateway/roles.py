"""Roles as the gate uses them."""

from dataclasses import dataclass

from app.gateway.caller import Quota, Unit


@dataclass(frozen=True, slots=True)
class Role:
    """Scopes, the models they hold for (None: all), and the quotas of a caller who has none of its own."""

    name: str
    scopes: frozenset[str]
    models: frozenset[str] | None = None
    quotas: tuple[Quota, ...] = ()


def parse_quota(text: str, limits: tuple[tuple[int, int], ...]) -> tuple[Quota, ...]:
    """Quotas from a key's own text, ``requests=100/minute``, whose limits part has been parsed.

    Raises:
        ValueError: the unit is neither requests nor rows.
    """
    unit = text.partition("=")[0].strip()
    if unit not in {"requests", "rows"}:
        raise ValueError(f"a quota is requests=... or rows=..., not {text!r}")
    return quotas_of(unit, limits)  # type: ignore[arg-type]


def quotas_of(unit: Unit, limits: tuple[tuple[int, int], ...]) -> tuple[Quota, ...]:
    """Limits (how many, in how many seconds) of one unit."""
    return tuple(Quota(unit, limit, seconds) for limit, seconds in limits)
