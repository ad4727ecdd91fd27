"""prices.yaml: the hour of this instance, or a message that says what to change."""

from pathlib import Path

import pytest

from config.invalid import ConfigInvalid
from config.prices import load_hourly_price
from tests.programs import ROOT


def test_the_committed_file_has_a_price() -> None:
    assert 0 < load_hourly_price(ROOT / "config" / "prices.yaml") < 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "instance"),
        ("instance: a\nusd_per_hour: {b: 1}", "must be one of b"),
        ("instance: a\nusd_per_hour: {a: -1}", "usd_per_hour"),
        ("instance: a\nusd_per_hour: {a: dear}", "usd_per_hour"),
        ("instance: a\nusd_per_hour: {a: 1}\nfree: yes", "free"),
        ("- instance", "Invalid input type"),
        ("instance: [", "no valid YAML"),
        ("instance: a\nusd_per_hour: {a: .nan}", "usd_per_hour"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid, match=r"prices\.yaml") as caught:
        load_hourly_price(path)
    assert words in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="SLUICE_PRICES_FILE"):
        load_hourly_price(tmp_path / "none.yaml")
