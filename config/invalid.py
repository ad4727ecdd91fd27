"""The one error of configuration, and how a schema's complaints become its text."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any


class ConfigInvalid(ValueError):
    """Something an operator wrote cannot be used; the text names the variable, or file and key, and what is allowed."""


def error_lines(messages: Any, path: str, explain: Callable[[str, str], str] = lambda text, _: text) -> list[str]:
    """Marshmallow's nested messages as ``file: key.path: text``; ``explain`` may say a text better for its path."""
    if isinstance(messages, dict):
        return [line for key, inner in messages.items() for line in error_lines(inner, _step(path, key), explain)]
    return [f"{path}: {explain(text, path)}" for text in messages]


def _step(path: str, key: Any) -> str:
    if key in ("key", "value", "_schema"):
        return path
    return f"{path}.{key}" if ": " in path else f"{path}: {key}"


def unknown_key(path: str, allowed: Iterable[str]) -> str:
    """What is said of the last key in a path as ``error_lines`` writes them, with the one that was probably meant."""
    names = list(allowed)
    return f"unknown key{meant(path.rpartition('.')[2].rpartition(' ')[2], names)}; allowed: {', '.join(names)}"


def meant(word: str, allowed: Iterable[str]) -> str:
    """`` (did you mean ...?)``, or nothing where nothing is near."""
    near = get_close_matches(word, list(allowed), n=1, cutoff=0.8)
    return f" (did you mean {near[0]}?)" if near else ""
