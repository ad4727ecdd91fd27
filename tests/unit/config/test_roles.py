"""roles.yaml: a slip is a message at the start, and not somebody who is turned away later."""

from pathlib import Path

import pytest

from config.invalid import ConfigInvalid
from config.roles import load_access
from tests.programs import ROOT


@pytest.mark.parametrize("name", ["roles.yaml", "platform_roles.yaml"])
def test_the_committed_files(name: str) -> None:
    assert "predictor" in load_access(ROOT / "config" / name).roles


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("roles: {a: {scopes: [predct]}}", "roles.a.scopes.0: there is no scope 'predct' (did you mean predict?); "),
        ("roles: {a: {scopes: [x]}}", "there is no scope 'x'; scopes are: predict, models:read, "),
        ("rols: {}", "rols: unknown key (did you mean roles?); allowed: roles, "),
        ("roles: {a: {scopes: [predict], quota: {}}}", "roles.a.quota: unknown key (did you mean quotas?)"),
        ("roles: {a: {scopes: [predict], quotas: {row: []}}}", "roles.a.quotas.row: unknown key (did you mean rows?)"),
        ("roles: {a: {scopes: [predict], quotas: {rows: [5]}}}", 'must be a list of limits such as "100/minute"'),
        ("roles: {a: {scopes: [predict]}}\nwrites: {x: []}", "writes.x: unknown key"),
        ("roles: {a: {scopes: [predict]}}\nanonymous_role: b", "anonymous_role: 'b' is not in roles"),
        ("roles: {a: {scopes: [predict]}, a: {scopes: []}}", "'a' stands twice"),
        ("- a", "roles.yaml: must be a mapping"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        load_access(path)
    assert says in str(caught.value)
