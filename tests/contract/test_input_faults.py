"""Values that do not fit the model: a 422 that names the field, within 50 ms, and the server goes on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.problems import assert_quick, assert_refused
from tests.servers import Server

URL = "/v1/models/everything/predict"
ARABIC_TWELVE = "\u0661\u0662"


@pytest.fixture(autouse=True)
def _still_answers(tiny: Server) -> Iterator[None]:
    """After each test, whatever it sent."""
    yield
    answer = tiny.post("/v1/models/linear/predict", {"features": [1, 2]})
    assert answer.json()["prediction"] == 5.5


VALUES: list[tuple[str, Any, str]] = [
    ("age", True, "must be a number, not true or false"),
    ("age", "12", "must be a number, not a string"),
    ("age", "1_0", "must be a number, not a string"),
    ("age", ARABIC_TWELVE, "must be a number, not a string"),
    ("age", "NaN", "must be a number, not a string"),
    ("age", [1], "must be a number, not a list"),
    ("age", {}, "must be a number, not an object"),
    ("age", None, "must not be null"),
    ("age", -0.1, "must be between 0 and 120"),
    ("age", 121, "must be between 0 and 120"),
    ("age", 1e300, "must be between 0 and 120"),
    ("income", 1e300, "does not fit float32"),
    ("income", -3.5e38, "does not fit float32"),
    ("income", False, "must be a number, not true or false"),
    ("score", 1e39, "does not fit float32"),
    ("score", "", "must be a number, not a string"),
    ("visits", 1.5, "must be a whole number"),
    ("visits", -1, "must be at least 0"),
    ("visits", None, "must not be null"),
    ("visits", 2**40, "does not fit int32"),
    ("count", 0.5, "must be a whole number"),
    ("count", 2**63, "does not fit int64"),
    ("count", 2**64, "does not fit int64"),
    ("count", -(2**63) - 1, "does not fit int64"),
    ("count", 10**300, "does not fit int64"),
    ("count", True, "must be a number, not true or false"),
    ("member", 1, "must be true or false, not a number"),
    ("member", "true", "must be true or false, not a string"),
    ("member", None, "must not be null"),
    ("city", "Paris", "must be one of: Oslo, Bern"),
    ("city", 1, "must be a string, not a number"),
    ("city", None, "must not be null"),
    ("city", ["Oslo"], "must be a string, not a list"),
    ("note", 5, "must be a string, not a number"),
    ("note", {"a": "b"}, "must be a string, not an object"),
]


@pytest.mark.parametrize(("field", "value", "says"), VALUES)
def test_one_value_is_named(tiny: Server, good: dict[str, Any], field: str, value: Any, says: str) -> None:
    good[field] = value
    answer = tiny.post(URL, {"features": good})
    assert_refused(answer, 422, f"features.{field}", says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize(("field", "value", "says"), VALUES)
def test_the_same_value_is_named_in_every_form(
    tiny: Server, good: dict[str, Any], field: str, value: Any, says: str
) -> None:
    bad = good | {field: value}
    place = list(good).index(field)
    in_order = tiny.post(URL, {"features": list(bad.values())})
    assert_refused(in_order, 422, f"features[{place}]", f"{field} {says}")
    named = tiny.post(URL, {"instances": [good, bad]})
    assert_refused(named, 422, f"instances[1].{field}", says)
    nested = tiny.post(URL, {"instances": [{"features": good}, {"features": bad}]})
    assert_refused(nested, 422, f"instances[1].features.{field}", says)
    ordered = tiny.post(URL, {"instances": [list(good.values()), list(bad.values())]})
    assert_refused(ordered, 422, f"instances[1][{place}]", f"{field} {says}")
    columns = tiny.post(URL, {"columns": {name: [good[name], bad[name]] for name in good}})
    assert_refused(columns, 422, f"columns.{field}[1]", says)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400, "1_0", "0x1F"])
def test_no_json_number(tiny: Server, literal: str) -> None:
    body = f'{{"features": [{literal}, 2]}}'.encode()
    answer = tiny.post("/v1/models/linear/predict", body)
    assert_refused(answer, 400, says="line 1 column")
    assert_quick(tiny, answer)


def test_a_number_beyond_float32_by_itself(tiny: Server) -> None:
    """The path without a look at each type: a list of numbers."""
    assert_refused(
        tiny.post("/v1/models/linear/predict", b'{"features": [1e300, 2]}'), 422, "features[0]", "f0 does not fit"
    )


def test_missing_and_unknown_names_with_the_nearest_one(tiny: Server, good: dict[str, Any]) -> None:
    del good["age"]
    good["agee"] = 5
    document = assert_refused(tiny.post(URL, {"features": good}), 422, "features.agee", "did you mean 'age'?")
    assert "features.age" in document["errors"]
    good["x" * 5000] = 1
    del good["agee"]
    answer = tiny.post(URL, {"features": good})
    assert_refused(answer, 422, "features." + "x" * 61 + "...", "is no feature of this model")


@pytest.mark.parametrize(("field", "prediction"), [("income", 1039.0), ("score", 44.0), ("note", 44.5)])
def test_null_and_absent_under_the_policies_that_take_it(
    tiny: Server, good: dict[str, Any], field: str, prediction: float
) -> None:
    said_null = good | {field: None}
    left_out = {name: value for name, value in good.items() if name != field}
    for row in (said_null, left_out):
        assert tiny.post(URL, {"features": row}).json()["prediction"] == prediction
        mixed = tiny.post(URL, {"instances": [good, row, good]}).json()["predictions"]
        assert [answer["prediction"] for answer in mixed] == [44.5, prediction, 44.5]
    columns = tiny.post(URL, {"columns": {name: [value, good[name]] for name, value in said_null.items()}}).json()
    assert [answer["prediction"] for answer in columns["predictions"]] == [prediction, 44.5]
    assert tiny.post(URL, {"columns": {name: [value] for name, value in left_out.items()}}).status == 200


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"instances": [[1, 2], [1]]}, "instances[1]", "must hold 2 values in order, not 1"),
        ({"instances": [[1, 2], [1, 2, 3]]}, "instances[1]", "must hold 2 values in order, not 3"),
        ({"features": [1]}, "features", "must hold 2 values in order, not 1"),
        ({"features": []}, "features", "must hold 2 values in order, not 0"),
        ({"features": {}}, "features.f0", "is missing"),
        ({"features": [[1, 2]]}, "features", "must hold 2 values in order, not 1"),
        ({"features": [[1], [2]]}, "features[0]", "f0 must be a number, not a list"),
        ({"features": [1, [2]]}, "features[1]", "f1 must be a number, not a list"),
        ({"features": [1, []]}, "features[1]", "f1 must be a number, not a list"),
        ({"features": [1, {}]}, "features[1]", "f1 must be a number, not an object"),
        ({"instances": [[[1, 2]]]}, "instances[0]", "must hold 2 values in order, not 1"),
        ({"instances": [[1, 2], 3]}, "instances", "rows must be all objects or all lists"),
        ({"instances": [[1, 2], {}]}, "instances", "rows must be all objects or all lists"),
        ({"instances": [1, 2]}, "instances", "rows must be all objects or all lists"),
        ({"instances": []}, "instances", "at least one row"),
        ({"instances": [[]]}, "instances[0]", "must hold 2 values in order, not 0"),
        ({"instances": [{}]}, "instances[0].f0", "is missing"),
        ({"instances": {}}, "instances", "must be a list"),
        ({"instances": None}, "instances", "must not be null"),
        ({"instances": [{"features": [1, 2]}, {}]}, "instances", "rows must be all objects or all lists"),
        (
            {"instances": [{"features": [1, 2], "feature": 1}]},
            "instances[0].feature",
            "is no key of a row that has features",
        ),
        ({"features": None}, "features", "must not be null"),
        ({"features": 5}, "features", "must be an object of feature values"),
        ({"features": "1,2"}, "features", "must be an object of feature values"),
        ({"columns": {}}, "columns", "must be an object with one list of values per feature"),
        ({"columns": []}, "columns", "must be an object with one list of values per feature"),
        ({"columns": {"f0": [], "f1": []}}, "columns", "must hold at least one row"),
        ({"columns": {"f0": [1], "f1": [1, 2]}}, "columns.f0", "has 1 values where other columns have 2"),
        ({"columns": {"f0": [1]}}, "columns.f1", "is missing"),
        ({"columns": {"f0": [1], "f1": [1], "f11": [1]}}, "columns.f11", "did you mean 'f1'?"),
        ({"columns": {"f0": 1, "f1": 2}}, "columns", "must be an object with one list of values per feature"),
        ({"columns": {"f0": [[1]], "f1": [1]}}, "columns.f0[0]", "must be a number, not a list"),
        ({}, "features", "send exactly one of"),
        ({"features": [1, 2], "instances": [[1, 2]]}, "instances", "send exactly one of"),
        ({"feature": [1, 2]}, "feature", "send features, instances or columns"),
        ({"features": [1, 2], "customer_id": "C-1"}, "customer_id", "send features, instances or columns"),
    ],
)
def test_shapes_that_are_no_rows(tiny: Server, body: Any, field: str, says: str) -> None:
    answer = tiny.post("/v1/models/linear/predict", body)
    assert_refused(answer, 422, field, says)
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        ([1, 2, 3], "must be nested lists of shape 2x3"),
        ([[1, 1, 1]], "must be nested lists of shape 2x3"),
        ([[1, 1, 1], [1, 1]], "must be nested lists of shape 2x3"),
        ([[[1, 1, 1], [1, 1, 1]]], "must be nested lists of shape 2x3"),
        (1, "must be nested lists of shape 2x3"),
        ([], "must be nested lists of shape 2x3"),
        ([[1, 1, 1], [1, 1, "1"]], "must be a number, not a string"),
        ([[1, 1, 1], [1, 1, 2]], "must be between 0 and 1"),
        ([[1, 1, 1], [1, 1, None]], "must be a number, not null"),
        (None, "must not be null"),
    ],
)
def test_wrong_rank(tiny: Server, pixels: Any, says: str) -> None:
    right = [[0, 0, 0], [0, 0, 1]]
    assert tiny.post("/v1/models/image/predict", {"features": {"pixels": right}}).json()["prediction"] == 1
    answer = tiny.post("/v1/models/image/predict", {"instances": [{"pixels": right}, {"pixels": pixels}]})
    assert_refused(answer, 422, "instances[1].pixels", says)


def test_a_lone_list_sent_bare(tiny: Server) -> None:
    answer = tiny.post("/v1/models/image/predict", {"features": [0, 1, 0, 0, 0, 0]})
    assert_refused(answer, 422, "features", "must hold one value, pixels (itself a list), not 6")
    assert_quick(tiny, answer)


@pytest.mark.parametrize(
    ("entity", "says"),
    [(1.5, "must be a string"), ([], "must be a string"), ("x" * 257, "at most 256")],
)
def test_entity_ids(tiny: Server, good: dict[str, Any], entity: Any, says: str) -> None:
    assert_refused(tiny.post(URL, {"customer_id": entity, "features": good}), 422, "customer_id", says)
    inside = tiny.post(URL, {"features": good | {"customer_id": entity}})
    assert_refused(inside, 422, "features.customer_id", says)
    among = tiny.post(URL, {"instances": [good, good | {"customer_id": entity}]})
    assert_refused(among, 422, "instances[1].customer_id", says)
    nested = tiny.post(URL, {"instances": [{"features": good}, {"features": good, "customer_id": entity}]})
    assert_refused(nested, 422, "instances[1].customer_id", says)
    column = {name: [value, value] for name, value in good.items()}
    columns = tiny.post(URL, {"columns": column | {"customer_id": ["C-1", entity]}})
    assert_refused(columns, 422, "columns.customer_id[1]", says)


def test_entity_id_null(tiny: Server, good: dict[str, Any]) -> None:
    assert_refused(tiny.post(URL, {"customer_id": None, "features": good}), 422, "customer_id", "must not be null")


def test_entity_columns_of_another_length(tiny: Server, good: dict[str, Any]) -> None:
    column = {name: [value, value] for name, value in good.items()}
    for ids in ([], ["C-1"], ["C-1", "C-2", "C-3"]):
        answer = tiny.post(URL, {"columns": column | {"customer_id": ids}})
        assert_refused(answer, 422, "columns.customer_id", "as long as the other columns")


def test_one_id_for_several_rows(tiny: Server, good: dict[str, Any]) -> None:
    answer = tiny.post(URL, {"customer_id": "C-1", "instances": [good, good]})
    assert_refused(answer, 422, "customer_id", "belongs to each row")


def test_no_finite_answer(tiny: Server) -> None:
    """JSON has no NaN: the row is named instead."""
    answer = tiny.post("/v1/models/roots/predict", {"instances": [[4], [-4]]})
    assert_refused(answer, 422, "instances[1]", "no finite answer")


def test_many_faults_are_reported_up_to_a_limit(tiny: Server) -> None:
    answer = tiny.post("/v1/models/identity/predict", {"instances": [["a"] * 20] * 100})
    assert len(assert_refused(answer, 422, "instances[0][0]", "f0 must be a number")["errors"]) == 20
    assert_quick(tiny, answer)
