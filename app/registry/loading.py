"""From files to a version that may serve: the way that a start, `models add` and `models verify` share."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from app import priority
from app.registry.repository import Repository
from app.registry.version import ServedVersion
from app.runtimes.base import Runtime

Result = TypeVar("Result")


class RuntimeLoader(Protocol):
    """Turns a model file into a runtime. ``digest`` stands for the bytes, where they are hashed already."""

    def __call__(self, model: bytes, external: Mapping[str, bytes], name: str, digest: str = "") -> Runtime:
        """Raises RuntimeFailed."""
        ...


def at_low_priority(work: Callable[[], Result]) -> Result:
    """Do something in a thread that gives way to those that answer requests, and wait for it."""
    with ThreadPoolExecutor(1, "reload", initializer=priority.give_way) as pool:
        return pool.submit(work).result()


def load_version(repository: Repository, load_runtime: RuntimeLoader, name: str, version: str) -> ServedVersion:
    """Read a version's files, check their digests, load them, and reproduce every golden row.

    Raises:
        ModelRefused: the files or what they answer are not what the manifest says.
        RuntimeFailed: the engine does not take the model.
    """
    stored = repository.read(name, version)
    manifest = stored.manifest
    digest = repr((manifest.sha256, sorted((manifest.external or {}).items())))
    served = ServedVersion(manifest, load_runtime(stored.model, stored.external, name, digest))
    served.verify()
    served.learn()
    return served
