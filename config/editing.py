"""Changing ``deployment.yaml`` for its operator: only the words that have to change, and never anything else.

Comments and layout are the operator's, so the file is not written anew from its values: the places come from the YAML
parser, the text between them stays, and the result is read again and compared before anything is written.
"""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from config.deployment import load_deployment
from config.invalid import ConfigInvalid


def set_batching(path: Path, model: str, batching: Mapping[str, Any]) -> None:
    """Write ``models.<model>.batching``. The file changes whole, by one rename, or not at all.

    Raises:
        ConfigInvalid: the file cannot be read or written, or is laid out in a way that is left to its operator.
    """
    load_deployment(path)
    text = path.read_text(encoding="utf-8")
    changed = edited(text, model, batching)
    try:
        _replace(path, changed)
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be written ({error.strerror})") from None


def block(model: str, batching: Mapping[str, Any]) -> str:
    """The lines to paste."""
    return f"models:\n  {model}:\n    batching: {_flow(batching)}\n"


def edited(text: str, model: str, batching: Mapping[str, Any]) -> str:
    """The text with that one value in it.

    Raises:
        ConfigInvalid: that cannot be done without changing more.
    """
    changed = _edited(text, model, batching)
    before, after = yaml.safe_load(text) or {}, None
    expected = dict(before)
    models = expected["models"] = dict(expected.get("models") or {})
    models[model] = {**(models.get(model) or {}), "batching": dict(batching)}
    with suppress(yaml.YAMLError):
        after = yaml.safe_load(changed)
    if after != expected:
        raise ConfigInvalid(
            f"the file is laid out in a way that is not changed here; put this into it:\n{block(model, batching)}"
        )
    return changed


def _edited(text: str, model: str, batching: Mapping[str, Any]) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return _ended(text) + block(model, batching)
    here, missing = root, ["models", model, "batching"]
    while missing and isinstance(here, yaml.MappingNode) and (inner := _value(here, missing[0])) is not None:
        here, missing = inner, missing[1:]
    if not missing:
        return text[: here.start_mark.index] + _flow(batching) + _tail(text, here)
    if not isinstance(here, yaml.MappingNode):
        return text
    return _inserted(text, here, missing, batching)


def _inserted(text: str, node: Any, missing: list[str], batching: Mapping[str, Any]) -> str:
    """A new first entry of a mapping: after it everything stays where it is."""
    if node.flow_style:
        value = _flow(batching)
        for name in reversed(missing[1:]):
            value = f"{{{name}: {value}}}"
        at = node.start_mark.index + 1
        return f"{text[:at]}{missing[0]}: {value}, {text[at:]}"
    indent = node.start_mark.column
    lines = [f"{' ' * (indent + 2 * depth)}{name}:" for depth, name in enumerate(missing)]
    at = node.start_mark.index - indent
    return text[:at] + "\n".join(lines) + f" {_flow(batching)}\n" + text[at:]


def _tail(text: str, node: Any) -> str:
    """What follows a value; a block mapping ends where the next thing begins, its own last line before that."""
    end = node.end_mark.index
    if node.flow_style or not isinstance(node, yaml.MappingNode):
        return text[end:]
    last = node.value[-1][1].end_mark.index if node.value else end
    return text[last:]


def _value(node: Any, name: str) -> Any:
    return next((value for key, value in node.value if key.value == name), None)


def _flow(batching: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(batching), default_flow_style=True, sort_keys=False, width=10_000)
    return text.strip()


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _replace(path: Path, text: str) -> None:
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
