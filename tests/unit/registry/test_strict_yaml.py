"""Plain data, and nothing that grows, hides or kills."""

from time import process_time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.registry.strict_yaml import MAX_DEPTH, YamlInvalid, read_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(DATA)
def test_plain_data_is_read_as_it_was_written(data: object) -> None:
    assert read_yaml(yaml.dump(data, Dumper=NoAliases)) == data


class NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def test_nothing() -> None:
    assert read_yaml(b"") is None
    assert read_yaml(b"# a comment") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x 1\nb: *x", "aliases (*x) are not allowed, line 2"),
        ("&x [*x]", "aliases (*x) are not allowed, line 1"),
        ("base: &x {a: 1}\nc: {<<: *x}", "aliases (*x) are not allowed, line 2"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}", "'c' stands twice, line 2"),
        ("a: 1\na: 2", "'a' stands twice, line 1"),
        ("[" * 100_000, f"nested more than {MAX_DEPTH} deep"),
        ("- " * 100_000, f"nested more than {MAX_DEPTH} deep"),
        ("{a: " * 5_000, f"nested more than {MAX_DEPTH} deep"),
        ("a: 1\n---\nb: 2", "but found another document"),
        ("!!python/object/apply:os.getpid []", "could not determine a constructor"),
        ("a: [1", "did not find expected ',' or ']'"),
        ("9" * 5000, "4300"),
        ("2026-13-45", "month must be in 1..12"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(YamlInvalid) as caught:
        read_yaml(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe\xfa", b"a: \xff", b"\x00"])
def test_bytes_that_are_no_text(data: bytes) -> None:
    with pytest.raises(YamlInvalid):
        read_yaml(data)


def test_one_name_twice_among_very_many_is_found_in_no_time() -> None:
    text = "a: 1\n" + "".join(f"k{number}: 1\n" for number in range(30_000)) + "a: 2\n"
    started = process_time()
    with pytest.raises(YamlInvalid, match="'a' stands twice"):
        read_yaml(text)
    assert process_time() - started < 5
