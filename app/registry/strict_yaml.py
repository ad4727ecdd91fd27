"""YAML as a file of plain data: no aliases, no name twice, no depth beyond reason.

A dozen lines of aliases stand for more values than fit into memory, the last of two equal names would win in silence,
and nesting deep enough overruns the C reader's stack and takes the process with it.
"""

from collections import Counter
from typing import Any

import yaml

MAX_DEPTH = 40


class YamlInvalid(ValueError):
    """The text is no YAML, or uses what is not allowed here. The message names the line where there is one."""


def read_yaml(text: bytes | str) -> Any:
    """The one document in the text, None for an empty one.

    Raises:
        YamlInvalid
    """
    try:
        _refuse_what_grows(text)
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            _refuse_names_that_stand_twice(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise YamlInvalid(" ".join(str(error).split())) from None


def _refuse_what_grows(text: bytes | str) -> None:
    """Looks at events, which need no stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise YamlInvalid(f"aliases (*{event.anchor}) are not allowed, {_line(event)}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlInvalid(f"nested more than {MAX_DEPTH} deep, {_line(event)}")


def _refuse_names_that_stand_twice(root: yaml.Node | None) -> None:
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            if names.total() > len(names):
                twice = min(name for name, times in names.items() if times > 1)
                raise YamlInvalid(f"'{twice}' stands twice, {_line(node)} and after")
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _line(item: yaml.Event | yaml.Node) -> str:
    return f"line {item.start_mark.line + 1}" if item.start_mark else "somewhere"
