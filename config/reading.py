"""Reading a file of the operator's: YAML, no name twice, and every complaint with the file's name in it."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from config.invalid import ConfigInvalid


def read_file(path: Path, variable: str) -> Any:
    """What the file says, an empty mapping where it says nothing. ``variable`` is the setting that names the file.

    Raises:
        ConfigInvalid: unreadable, no YAML, or a name stands twice: the first of the two would count for nothing.
    """
    try:
        loader = yaml.CSafeLoader(path.read_bytes())
        try:
            node = loader.get_single_node()
            _refuse_names_that_stand_twice(node)
            data = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read ({error.strerror}); set {variable}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigInvalid(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    return {} if data is None else data


def _refuse_names_that_stand_twice(root: yaml.Node | None) -> None:
    """Raises ValueError. An alias may lead to a node again, even from within it."""
    waiting, seen = [root] if root is not None else [], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = [name for name, times in names.items() if times > 1]
            if twice:
                raise ValueError(f"'{min(twice)}' stands twice in what begins at line {node.start_mark.line + 1}")
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
