"""How a setting is declared and its text read. A parser raises ValueError for a text that cannot be used."""

import re
from collections.abc import Callable, Mapping
from dataclasses import Field, field
from typing import Any

from config.invalid import ConfigInvalid


def setting(
    name: str,
    default: Any,
    parse: Callable[[str], Any],
    allowed: str,
    text: str,
    *,
    secret: bool = False,
    also: tuple[str, ...] = (),
) -> Any:
    """A field of ``Settings``: its variable, its default, how its text is read and what people are told of it.

    ``also`` are names that platforms give the same thing; they count while the variable itself is not there.
    """
    told = f"{text} `{'`, `'.join(also)}` counts while this is not set." if also else text
    metadata = {"env": name, "parse": parse, "allowed": allowed, "text": told, "secret": secret, "also": also}
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


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text) else high + 1
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def choice(*names: str) -> Callable[[str], str]:
    """One of these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(text)
        return text.lower()

    return parse


def switch(text: str) -> bool:
    """On or off, in the words people use for it."""
    return choice("on", "off", "true", "false", "1", "0")(text) in ("on", "true", "1")


def matching(pattern: str) -> Callable[[str], str]:
    """A text of this form."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return parse


def words(pattern: str) -> Callable[[str], tuple[str, ...]]:
    """Several values with commas or spaces between."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(text.replace(",", " ").split())
        if not all(re.fullmatch(pattern, word) for word in found):
            raise ValueError(text)
        return found

    return parse
