"""One value of the deployment file is changed, and nothing else, however the file is laid out."""

from pathlib import Path

import pytest
import yaml

from config.deployment import load_deployment
from config.editing import block, edited, set_batching
from config.invalid import ConfigInvalid

VALUE = {"mode": "auto", "max_batch_size": 32}

LAYOUTS = {
    "empty": "",
    "only a comment": "# nothing yet",
    "no models": "# mine\ndefault_model: a\n",
    "no end of line": "default_model: a",
    "models in blocks": "models:\n  # of the other\n  b:\n    timeout_ms: 5  # quick\n\n# after\ncache: {l1: auto}\n",
    "another indent": "models:\n      a:\n            timeout_ms: 5\n",
    "the model without it": "models:\n  a:  # mine\n    timeout_ms: 5\n  b: {timeout_ms: 6}\n",
    "the model with it": "models:\n  a:\n    batching: {mode: 'off'}  # old\n    timeout_ms: 5\n",
    "with it in a block": "models:\n  a:\n    batching:\n      mode: 'off'\n      max_queue_ms: 4\n    timeout_ms: 5\n",
    "a block at the end": "models:\n  a:\n    batching:\n      mode: 'off'\n",
    "none": "models: {}\n",
    "all in one line": "models: {b: {timeout_ms: 5}}\n",
    "the model in one line": "models: {a: {timeout_ms: 5}, b: {}}  # two\n",
    "quoted": 'models:\n  "a":\n    "timeout_ms": 5\n',
    "windows": "models:\r\n  b:\r\n    timeout_ms: 5\r\n",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_the_value_is_there_and_everything_else_as_it_was(text: str) -> None:
    changed = edited(text, "a", VALUE)
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(changed)
    assert after["models"]["a"].pop("batching") == VALUE
    before.get("models", {}).get("a", {}).pop("batching", None)
    if not after["models"]["a"]:
        del after["models"]["a"]
        before.get("models", {}).pop("a", None)
    assert {**after, "models": after["models"] or {}} == {**before, "models": before.get("models", {})}
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert all(comment in changed for comment in comments)
    assert edited(changed, "a", VALUE) == changed


@pytest.mark.parametrize("text", ["models:\n  a: &x {timeout_ms: 5}\n  b: *x\n", "models:\n"], ids=repr)
def test_what_would_change_more_is_left_to_its_operator(text: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        edited(text, "a", VALUE)
    assert block("a", VALUE) in str(caught.value)


def test_the_file_changes_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "deployment.yaml"
    real.write_text("# mine\nmodels:\n  a: {timeout_ms: 5}\n")
    real.chmod(0o640)
    link.symlink_to(real)
    set_batching(link, "a", VALUE)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert load_deployment(link).models["a"].batching.max_batch_size == 32
    assert load_deployment(link).models["a"].timeout_ms == 5
    assert sorted(file.name for file in tmp_path.iterdir()) == ["deployment.yaml", "real.yaml"]


def test_a_file_with_a_mistake_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "deployment.yaml"
    path.write_text("modls: {}\n")
    with pytest.raises(ConfigInvalid):
        set_batching(path, "a", VALUE)
    assert path.read_text() == "modls: {}\n"
