"""Kinds of values on the command line, and how they become ``Options``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from app.registry.intake import Options
from app.registry.manifest import NAME, Missing, Role

ROLES: tuple[str, ...] = get_args(Role)
POLICIES: tuple[str, ...] = get_args(Missing)


class Words(click.ParamType[tuple[str, ...]]):
    """``a,b,c`` as a tuple."""

    name = "a,b,c"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split at commas; an empty word is an error."""
        words = tuple(word.strip() for word in value.split(",")) if isinstance(value, str) else tuple(value)
        if not all(words):
            self.fail(f"{value!r} has an empty name in it; write names with one comma between two of them", param, ctx)
        return words


class Identifier(click.ParamType[str]):
    """A name that may stand in an address and be a folder."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it against the allow-list."""
        if not NAME.fullmatch(value):
            self.fail(f"{value[:80]!r}: write letters, digits, '-', '_' and '.', 64 at most", param, ctx)
        return str(value)


def read_options(file: Path, told: Mapping[str, Any]) -> Options:
    """The options as the command line gives them.

    Raises:
        click.BadParameter: a pair is not written as NAME=VALUE, or its value is not allowed.
    """
    general, named = _policies(told["missing"])
    plain = {key: value for key, value in told.items() if key not in ("missing", "roles", "positive")}
    return Options(
        **plain,
        source=file.name,
        positive_label=told["positive"],
        missing_default=general,
        missing=named,
        roles=_pairs(told["roles"], ROLES, "--role"),
    )


def _policies(words: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """``impute`` for all, ``age=nan`` for one."""
    general = [word for word in words if "=" not in word]
    if len(general) > 1 or not set(general) <= set(POLICIES):
        raise click.BadParameter(
            f"write one of {', '.join(POLICIES)}, for all or as FEATURE=...", param_hint="--missing"
        )
    return next(iter(general), None), _pairs([word for word in words if "=" in word], POLICIES, "--missing")


def _pairs(words: Sequence[str], allowed: Sequence[str], option: str) -> dict[str, Any]:
    pairs = {word.rpartition("=")[0]: word.rpartition("=")[2] for word in words}
    for name, value in pairs.items():
        if not name or value not in allowed:
            raise click.BadParameter(f"write NAME=VALUE, VALUE one of {', '.join(allowed)}", param_hint=option)
    return pairs
