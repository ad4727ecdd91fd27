"""The gRPC door's own house rules."""

import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import app
from app.errors import SluiceError
from app.rpc.status import CODES
from tests.architecture.source import ROOT
from tests.architecture.test_endpoints import OFFLINE


def _causes(root: type[SluiceError]) -> set[type[SluiceError]]:
    below = {cause for child in root.__subclasses__() for cause in _causes(child)}
    return {*root.__subclasses__(), *below}


def _is_offline(cause: type[SluiceError]) -> bool:
    return (cause.__module__.replace(".", "/") + "/").startswith(OFFLINE)


def test_every_cause_has_its_code() -> None:
    for module in walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    assert {cause for cause in _causes(SluiceError) if not _is_offline(cause)} <= set(CODES)


def test_the_generated_code_is_up_to_date() -> None:
    command = [sys.executable, "scripts/generate_grpc.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
