"""One gRPC server over tiny models for all tests that only ask it things."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.oip.datatypes import DATATYPES
from app.registry.repository import Repository
from tests.models import echo, everything, fragile, identity, image, linear, slow, square_root
from tests.rpc_server import RpcClient, RpcServer

ONNX = {"FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING"}
"""ONNX's names where they are not the protocol's."""


@pytest.fixture(scope="session")
def rpc_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """everything, linear v1 and v2, identity (20 wide), image, roots, fragile, slow, and an echo of each datatype."""
    repository = Repository(tmp_path_factory.mktemp("rpc") / "models")
    models = [everything(), linear(), linear((3.0, 4.0), version="v2"), identity(20), image(), square_root(), fragile()]
    for model in (*models, slow(400), *(echo(ONNX.get(name, name), f"echo-{name.lower()}") for name in DATATYPES)):
        model.add(repository)
    return repository.root


@pytest.fixture(scope="session")
def rpc_server(tmp_path_factory: pytest.TempPathFactory, rpc_models: Path) -> Iterator[RpcServer]:
    """For tests that leave it as it was."""
    with RpcServer(tmp_path_factory.mktemp("rpc-server"), models=rpc_models) as running:
        yield running


@pytest.fixture(scope="session")
def rpc(rpc_server: RpcServer) -> Iterator[RpcClient]:
    """A client of that server."""
    with RpcClient(rpc_server.address) as client:
        yield client


@pytest.fixture
def start_rpc(tmp_path: Path, rpc_models: Path) -> Iterator[Callable[..., RpcServer]]:
    """``start_rpc({"SLUICE_THREADS": "1"})``: a server of the test's own over the same models."""
    with ExitStack() as stack:

        def start(env: Mapping[str, str] | None = None, **how: Any) -> RpcServer:
            folder = tmp_path / f"rpc-{len(list(tmp_path.glob('rpc-*')))}"
            return stack.enter_context(RpcServer(folder, env, **({"models": rpc_models} | how)))

        yield start
