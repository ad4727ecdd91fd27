"""The cache's part of deployment.yaml."""

from pathlib import Path

import pytest

from config.deployment import CacheDeployment, load_deployment
from config.invalid import ConfigInvalid


def test_on_and_off_are_words_here(tmp_path: Path) -> None:
    deployment = load_deployment(_write(tmp_path, "cache: {l1: on, l2: off}\nmodels: {churn: {cache: {ttl: 60}}}"))
    assert deployment.cache == CacheDeployment("on", "off", 3600.0)
    assert deployment.models["churn"].cache == CacheDeployment("auto", "auto", 60.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cache: {l1: sometimes}", "cache.l1: Must be one of: auto, on, off"),
        ("cache: {ttl: 0}", "cache.ttl"),
        ("cache: {l3: on}", "cache.l3: unknown key; allowed: l1, l2, ttl"),
        ("models: {churn: {cache: {l3: on}}}", "models.churn.cache.l3: unknown key; allowed: l1, l2, ttl"),
        ("cache: on", "cache"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load_deployment(_write(tmp_path, text))
    assert words in str(caught.value)


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "deployment.yaml"
    path.write_text(text)
    return path
