"""The threat model names tests that exist, and a defence without one is not listed."""

import ast
import re

import pytest

from tests.architecture.source import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/\S+\.py)::(\w+)`", PAGE)))
ROWS = re.findall(r"^\| (?!threat|-)[^|]+ \| [^|]+ \| ([^|]+) \|$", PAGE.partition("## Defences")[2], re.MULTILINE)


@pytest.mark.parametrize(("file", "test"), NAMED, ids=[f"{file}::{test}" for file, test in NAMED])
def test_each_named_test_exists(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_defence_names_a_test() -> None:
    assert len(ROWS) >= 25
    assert [
        row for row in ROWS if not re.fullmatch(r"`tests/\S+\.py::test_\w+`(, `tests/\S+\.py::test_\w+`)*", row)
    ] == []
