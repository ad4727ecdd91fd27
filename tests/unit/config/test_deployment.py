"""deployment.yaml: every mistake names the file, the key and what is allowed."""

from pathlib import Path

import pytest

from config.deployment import Deployment, load_deployment
from config.invalid import ConfigInvalid
from tests.programs import ROOT


def load(folder: Path, text: str | bytes) -> Deployment:
    file = folder / "deployment.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_deployment(file)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == load(tmp_path, "# nothing\n") == load(tmp_path, "{}") == Deployment()


def test_the_committed_file() -> None:
    deployment = load_deployment(ROOT / "config" / "deployment.yaml")
    assert deployment.default_model == "churn"
    assert deployment.models["churn"].default_version == "v2"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("defalt_model: churn", "defalt_model", " default_model,"),
        ("default_model: ../etc", "default_model", "must be a model's folder name"),
        ("default_model: [churn]", "default_model", "Not a valid string"),
        ("default_model: 5", "default_model", "Not a valid string"),
        ("models: churn", "models", "Not a valid mapping"),
        ("models: {churn: v2}", "models.churn", "Invalid input type"),
        ("models: {../x: {}}", "models.../x", "must be a model's folder name"),
        ("models: {churn: {default_version: 2}}", "models.churn.default_version", "Not a valid string"),
        ("models: {churn: {default_version: a b}}", "models.churn.default_version", "must be a version's folder name"),
        ("models: {churn: {version: v2}}", "models.churn.version", "; allowed: "),
        (
            "models: {churn: {cache: {tttl: 5}}}",
            "models.churn.cache.tttl",
            "unknown key (did you mean ttl?); allowed: ",
        ),
    ],
)
def test_a_mistake_names_file_key_and_what_is_allowed(tmp_path: Path, text: str, place: str, says: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, text)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/deployment.yaml: {place}: ")
    assert says in told


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, "colour: red\nmodels: {churn: {x: 1}}")
    assert "colour" in str(caught.value)
    assert "models.churn.x" in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "\tx: 1", b"\xff\xfe\xfa", "!!python/object:os.system {}", "a: 2026-13-45"])
def test_no_yaml(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/deployment.yaml: no valid YAML: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["models: {a: {}}\nmodels: {b: {}}", "models:\n  churn: {timeout_ms: 5, timeout_ms: 9}", "cache: &a {x: *a, x: 1}"],
)
def test_what_stands_twice_counts_for_nothing(tmp_path: Path, text: str) -> None:
    """The last would win, and nobody would know what became of the first."""
    with pytest.raises(ConfigInvalid, match="stands twice in what begins at line"):
        load(tmp_path, text)


@pytest.mark.parametrize("text", ["[]", "- churn", "churn", "5"])
def test_no_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"must be a mapping; allowed keys: .*\bdefault_model\b"):
        load(tmp_path, text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigInvalid, match=r"cannot be read \(.+\); set SLUICE_DEPLOYMENT_FILE"):
            load_deployment(path)
