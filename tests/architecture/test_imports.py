"""Who may import whom. The contracts stand in pyproject.toml; here they hold, and each is shown to bite."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, modules


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_contracts_hold() -> None:
    result = _lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("app/tensors.py", "import app.predictor", "Layers"),
        ("app/api/json.py", "import app.wiring", "Layers"),
        ("app/registry/manifest.py", "import app.registry.registry", "No cycles among neighbours, at any depth"),
        ("config/deployment.py", "import app.errors", "Configuration knows nothing of the application"),
        ("app/predictor.py", "import config.settings", "Only the composing modules see Settings"),
        ("app/registry/encoder.py", "import flask", "Flask stays at the door"),
        ("app/predictor.py", "import onnxruntime", "onnxruntime runs in its runtime only"),
        ("app/api/prediction/rest.py", "import app.registry.intake", "Requests never touch what takes models in"),
        ("app/registry/loading.py", "import onnx", "onnx is for taking models in"),
        ("app/services.py", "import redis", "redis only in the link"),
        ("app/predictor.py", "import grpc", "grpc stays at its door"),
        ("app/wiring.py", "import app.rpc.server", "Nobody imports the gRPC door"),
    ],
)
def test_each_contract_bites(tmp_path: Path, file: str, line: str, contract: str) -> None:
    for folder in ("app", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    result = _lint_imports(tmp_path)
    assert result.returncode == 1
    assert f"{contract} BROKEN" in result.stdout


def test_nothing_is_imported_inside_a_function() -> None:
    inside = [
        f"{module.name}:{node.lineno}"
        for module in modules("app", "config")
        for function in module.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


def test_only_settings_read_the_environment() -> None:
    readers = {
        module.name
        for module in modules("app", "config")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and _is_os(node.value)
    }
    assert readers == {
        "app/rpc/__main__.py",  # names the folder that its processes share, reads nothing
        "app/runtimes/__init__.py",  # writes ORT_DISABLE_TELEMETRY, reads nothing
        "config/settings.py",
    }


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"
