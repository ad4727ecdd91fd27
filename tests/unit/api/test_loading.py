"""Objects with names that nobody knows are refused for as many of them as are shown, however many there are."""

import pytest
from marshmallow import ValidationError

from app.api.loading import load
from app.api.prediction.schemas import envelope_schema
from app.registry.faults import MAX_REPORTED

ENVELOPE = envelope_schema("customer_id", 10)


@pytest.mark.parametrize("strangers", [5, 1000])
def test_more_names_than_there_are(strangers: int) -> None:
    with pytest.raises(ValidationError) as refused:
        load(ENVELOPE, {"features": [1]} | {f"k{at}": 1 for at in range(strangers)})
    messages = refused.value.normalized_messages()
    assert set(messages) == {f"k{at}" for at in range(min(strangers, MAX_REPORTED))}
    assert set(map(tuple, messages.values())) == {("is no key of a prediction; send features, instances or columns",)}


def test_as_many_names_as_there_may_be() -> None:
    with pytest.raises(ValidationError) as refused:
        load(ENVELOPE, {"features": 5, "k": 1})
    assert set(refused.value.normalized_messages()) == {"features", "k"}
