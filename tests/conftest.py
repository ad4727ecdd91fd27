"""Fixtures: real servers, started once where a test only asks, and anew where it breaks things."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from app.registry.repository import Repository
from tests.clients import environments
from tests.fault_proxy import FaultProxy
from tests.servers import Nginx, RedisServer, Server

# The same examples every time: what a run says is of the change it runs on. "search" draws new ones, more of them.
settings.register_profile("repeat", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("repeat")

_building = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Other people's clients take a minute to install, and their tests come late."""
    if any("foreign" in item.nodeid or "mlflow" in item.nodeid for item in session.items):
        session.stash[_building] = environments.build_ahead()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing running."""
    if building := session.stash.get(_building, None):
        environments.end(building)


class StartServer(Protocol):
    """``start_server(env={...}, models=folder)``: a running server, stopped when the test ends."""

    def __call__(self, env: Mapping[str, str] | None = None, models: Path | None = None) -> Server: ...


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The committed models with the committed deployment file. For tests that leave it as it was."""
    with Server(tmp_path_factory.mktemp("server"), models=None) as running:
        yield running


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """A server of the test's own."""
    with ExitStack() as stack:

        def start(env: Mapping[str, str] | None = None, models: Path | None = None) -> Server:
            folder = tmp_path / f"server-{len(list(tmp_path.glob('server-*')))}"
            folder.mkdir()
            return stack.enter_context(Server(folder, env, models))

        yield start


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty model repository."""
    (tmp_path / "models").mkdir()
    return Repository(tmp_path / "models")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def start_nginx(tmp_path: Path) -> Iterator[Callable[[str], Nginx]]:
    """``start_nginx(http)``: nginx with that inside of its http block."""
    with ExitStack() as stack:

        def start(http: str) -> Nginx:
            folder = tmp_path / f"nginx-{len(list(tmp_path.glob('nginx-*')))}"
            folder.mkdir()
            return stack.enter_context(Nginx(folder, http))

        yield start


@pytest.fixture
def start_proxy() -> Iterator[Callable[[int], FaultProxy]]:
    """``start_proxy(port)``: a proxy before that port, healthy until told otherwise."""
    with ExitStack() as stack:
        yield lambda port: stack.enter_context(FaultProxy(port))
