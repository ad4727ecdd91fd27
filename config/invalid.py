"""The one error of configuration, and how a schema's complaints become its text."""

from collections.abc import Callable
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
