"""How a setting is declared, which values it takes, and how they are read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import Field, field
from pathlib import Path
from typing import Any, NamedTuple

from config.invalid import ConfigInvalid


class Kind(NamedTuple):
    """Values of one kind: ``parse`` reads a variable's text, ``allowed`` tells people what may stand there.

    ``parse`` raises ValueError for a text that cannot be used.
    """

    parse: Callable[[str], Any]
    allowed: str


def setting(
    name: str, default: Any, kind: Kind, about: str, *, secret: bool = False, also: tuple[str, ...] = ()
) -> Any:
    """A field of ``Settings``: its variable, its default, the values it takes and what people are told about it.

    ``also`` are names that platforms give the same thing; they count while the variable itself is not there.
    """
    told = f"{about} `{'`, `'.join(also)}` counts while this is not set." if also else about
    metadata = {"env": name, "parse": kind.parse, "allowed": kind.allowed, "text": told, "secret": secret, "also": also}
    return field(default=default, metadata=metadata, repr=not secret)


def given_value(item: "Field[Any]", environ: Mapping[str, str]) -> Any:
    """What the environment says of a setting, None where neither its variable nor a platform's name for it is there.

    Raises:
        ConfigInvalid: names the variable, its value and what is allowed.
    """
    about = item.metadata
    name = next((name for name in (about["env"], *about["also"]) if environ.get(name, "").strip()), None)
    if name is None:
        return None
    text = environ[name].strip()
    try:
        return about["parse"](text)
    except ValueError:
        shown = "the value" if about["secret"] or "@" in text else repr(text if len(text) <= 80 else text[:77] + "...")
        raise ConfigInvalid(f"{name}: {shown} cannot be used; allowed: {about['allowed']}") from None


def text(allowed: str) -> Kind:
    """Any text."""
    return Kind(str, allowed)


def path(allowed: str) -> Kind:
    """A place in the file system, whether or not something is there."""
    return Kind(Path, allowed)


def integer(low: int, high: int) -> Kind:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text) else high + 1
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return Kind(parse, f"{low} to {high}")


def choice(*names: str) -> Kind:
    """One of these words, in any case."""
    return Kind(lambda text: _word(text, names), ", ".join(names))


switch = Kind(lambda text: _word(text, ("on", "off", "true", "false", "1", "0")) in ("on", "true", "1"), "on, off")
"""On or off, in the words people use for it."""


def matching(pattern: str, allowed: str) -> Kind:
    """A text of this form."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Kind(parse, allowed)


def words(pattern: str, allowed: str) -> Kind:
    """Several values of this form with commas or spaces between."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(text.replace(",", " ").split())
        if not all(re.fullmatch(pattern, word) for word in found):
            raise ValueError(text)
        return found

    return Kind(parse, allowed)


def _word(text: str, names: tuple[str, ...]) -> str:
    if text.lower() not in names:
        raise ValueError(text)
    return text.lower()
