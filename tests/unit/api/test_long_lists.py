"""Long lists of numbers are read as the parser of every body reads them, or not at all."""

import json
import struct

import numpy as np
import orjson
import pytest

from app.api.long_lists import LONGEST, SHORTEST, last_list, numbers

AWKWARD = [
    "-0",
    "-0.0",
    "1e308",
    "5e-324",
    "2.2250738585072011e-308",
    "1e-400",
    "9007199254740993",
    "18446744073709551615",
]
"""Numbers that readers are known to get wrong: signs of zero, the smallest, halfway between two, the largest."""


def awkward_numbers(count: int) -> list[str]:
    """As many texts of numbers again, of every magnitude and length."""
    random = np.random.default_rng(7)
    bits = random.integers(0, 2**64, count, dtype=np.uint64).view(np.float64)
    digits = [f"{random.integers(10**18)}.{random.integers(10**18)}e{random.integers(-320, 285)}" for _ in range(count)]
    return AWKWARD + [repr(float(value)) for value in bits[np.isfinite(bits)]] + digits


def test_every_number_is_what_the_other_parser_makes_of_it() -> None:
    texts = awkward_numbers(3000)
    read = numbers(f"[{','.join(texts)}]".encode())
    assert read is not None
    assert read.tobytes() == np.array(orjson.loads(f"[{','.join(texts)}]"), np.float64).tobytes()
    assert read.tobytes() == struct.pack(f"{len(texts)}d", *map(float, json.loads(f"[{','.join(texts)}]")))


def test_lists_in_a_list_keep_their_shape() -> None:
    read = numbers(b"[[1, 2.5], [3,4] ,\n[5,6]]")
    assert (None if read is None else read.tolist()) == [[1.0, 2.5], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[1,true]",
            "[1,null]",
            '[1,"2"]',
            "[1,{}]",
            "[1,[]]",
            "[1,NaN]",
            "[1,Infinity]",
            "[1,1e400]",
            "[01]",
            "[1.]",
        ),
        *(
            "[+1]",
            "[.5]",
            "[1,]",
            "[1 2]",
            "[1,2",
            "[1]]",
            "[1]x",
            "[1]\0",
            "[1,18446744073709551616]",
            "[1,-9223372036854775809]",
        ),
        *(
            "[[1,2],[3]]",
            "[[1],[[2]]]",
            "[[1,2],3]",
            "[[[],[1,2]]]",
            "[[[1,2]],[3,4]]",
            "[[],[1]]",
            "[[1],{}]",
        ),
    ],
)
def test_anything_else_is_left_to_the_other_parser(text: str) -> None:
    assert numbers(text.encode()) is None


def test_a_list_that_was_refused_leaves_the_next_one_alone() -> None:
    assert numbers(b"[1,{}]") is None
    assert numbers(b"[1,2]") is not None


@pytest.mark.parametrize(
    ("opening", "closing"), [('{"a":[1],"data":', "}"), ('{"a":"[","data": ', " }"), ('{"data":', ',"b":1}')]
)
@pytest.mark.parametrize("row", ["{}", "[{}]"])
def test_the_last_list_is_found(opening: str, closing: str, row: str) -> None:
    text = row.format(", ".join(["1.25"] * SHORTEST))
    raw = f"{opening}[{text}]{closing}"
    place = last_list(raw.encode())
    assert (None if place is None else raw[place]) == (None if '"b"' in closing else f"[{text}]")


@pytest.mark.parametrize(
    "raw", ["", "[]", '{"data":[1,2]}', f'"{"x" * SHORTEST}"', "[" + "1" * SHORTEST, f"[{'1' * LONGEST}]"]
)
def test_short_and_endless_lists_are_left_alone(raw: str) -> None:
    assert last_list(raw.encode()) is None
