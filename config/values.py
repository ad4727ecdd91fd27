"""How a setting is declared and its text read. A parser raises ValueError for a text that cannot be used."""

import re
from collections.abc import Callable
from dataclasses import field
from typing import Any


def setting(
    name: str, default: Any, parse: Callable[[str], Any], allowed: str, text: str, *, secret: bool = False
) -> Any:
    """A field of ``Settings``: its variable, its default, how its text is read and what people are told of it."""
    metadata = {"env": name, "parse": parse, "allowed": allowed, "text": text, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        value = int(text)
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
