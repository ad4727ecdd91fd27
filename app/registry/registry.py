"""The models this worker serves, and for those it does not, why.

Loading happens once per worker, before it accepts connections. A version is loaded only when its digest matches and
its golden rows reproduce; one that is refused never takes another down with it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from threading import Lock
from time import perf_counter
from typing import Any

from app.errors import ModelNotFound, ModelNotReady, ModelRefused, VersionNotFound
from app.registry.loading import RuntimeLoader, at_low_priority, load_version
from app.registry.repository import Repository, natural_order
from app.registry.version import ServedVersion
from app.runtimes.base import RuntimeFailed

GONE = "its folder is no longer in the repository; it is served from memory"
UNLOADED = "unloaded on request; load the model to serve it again"
"""The reason that is shown for versions somebody told this worker not to serve."""


@dataclass(frozen=True, slots=True)
class VersionState:
    """``served`` is None for a refused version, and ``reason`` then says why."""

    version: str
    served: ServedVersion | None
    reason: str | None = None
    load_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """All versions of one model, oldest first. ``default`` answers when a caller names none."""

    name: str
    versions: Mapping[str, VersionState]
    default: str | None

    @property
    def served(self) -> ServedVersion | None:
        """The default version, None while it is refused."""
        state = None if self.default is None else self.versions.get(self.default)
        return None if state is None else state.served


class Registry:
    """Name and version -> a loaded model.

    ``repository`` and ``load_runtime`` are public for commands that look at single versions and load nothing else.
    """

    def __init__(
        self,
        repository: Repository,
        load_runtime: RuntimeLoader,
        log: Any,
        default_model: str | None = None,
        default_versions: Mapping[str, str] | None = None,
    ) -> None:
        self.repository = repository
        self.load_runtime = load_runtime
        self._log = log
        self._default_model = default_model
        self._default_versions = default_versions or {}
        self._models: Mapping[str, Model] | None = None
        self._loading = Lock()
        self._reloading = Lock()

    @property
    def models(self) -> Mapping[str, Model]:
        """Every model found, loaded at first use."""
        models = self._models
        return self.load() if models is None else models

    @property
    def default_model(self) -> str | None:
        """Which model ``/predict`` means: the configured one, else the only one there is."""
        if self._default_model:
            return self._default_model
        return next(iter(self.models)) if len(self.models) == 1 else None

    def load(self) -> Mapping[str, Model]:
        """Load everything, once; later calls return what is there."""
        with self._loading:
            if self._models is None:
                found: dict[str, dict[str, VersionState]] = {}
                for name, version in self.repository.versions():
                    found.setdefault(name, {})[version] = self._load_version(name, version)
                self._models = {
                    name: Model(name, versions, self._default_of(name, versions)) for name, versions in found.items()
                }
                if not found:
                    self._log.error("models_dir_empty", models_dir=str(self.repository.root))
                self._warn_of_absent_defaults()
            return self._models

    def model(self, name: str) -> Model:
        """Raises ModelNotFound, with the nearest known name."""
        model = self.models.get(name)
        if model is None:
            near = get_close_matches(name[:64], list(self.models), n=1)
            raise ModelNotFound(name, f" Did you mean '{near[0]}'?" if near else "")
        return model

    def version(self, name: str, version: str | None = None) -> ServedVersion:
        """The version to run; the model's default when none is named.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady
        """
        model = self.model(name)
        if version is None:
            served = model.served
        else:
            state = model.versions.get(version)
            if state is None:
                raise VersionNotFound(name, version, list(model.versions))
            served = state.served
        if served is None:
            raise ModelNotReady(name, version)
        return served

    def digest(self, name: str, version: str) -> str | None:
        """Of the file that is served as a version, None while there is none."""
        model = self.models.get(name)
        state = model.versions.get(version) if model else None
        return state.served.digest if state and state.served else None

    def unload(self, name: str) -> None:
        """Stop serving a model in this worker; requests that have begun keep their version until they end.

        Raises:
            ModelNotFound
        """
        with self._reloading:
            model = self.model(name)
            gone = {version: VersionState(version, None, UNLOADED) for version in model.versions}
            with self._loading:
                self._replace(Model(name, gone, model.default))
        self._log.info("model_unloaded", model=name)

    def reload(self, name: str) -> None:
        """Read a model's versions again in this worker and serve those that verify, new ones included.

        Each is loaded beside the old one, verified and warm before it takes its place; the old one is given back when
        the last request that uses it ends. One that was served and is refused now, or is gone, goes on as it was.

        Raises:
            ModelNotFound: not served, and not in the repository either.
            ModelRefused: a version was refused, the others are served; or none is in the repository any more.
        """
        with self._reloading:
            self._served_anew(name, None)

    def follow(self, name: str, changed: Collection[str]) -> None:
        """The same for versions whose files have changed. A model that was unloaded comes back when it is loaded.

        Raises:
            See ``reload``.
        """
        with self._reloading:
            if not _was_unloaded(self.models.get(name)):
                self._served_anew(name, changed)

    def _served_anew(self, name: str, only: Collection[str] | None) -> None:
        refused = at_low_priority(partial(self._reload, name, only))
        if refused:
            raise ModelRefused("; ".join(f"{name}/{version}: {reason}" for version, reason in refused.items()))

    def _reload(self, name: str, only: Collection[str] | None) -> dict[str, str | None]:
        """Versions that were refused, and why."""
        found = [version for model, version in self.repository.versions() if model == name]
        if not found:
            self._keep_what_is_gone(self.model(name))
            raise ModelRefused(f"Model '{name}' is no longer in the repository; what is loaded stays.")
        old = self.models[name].versions if name in self.models else {}
        wanted = [version for version in found if only is None or version in only or version not in old]
        fresh = {version: self._load_version(name, version) for version in wanted}
        refused = {version: state.reason for version, state in fresh.items() if not state.served}
        kept = {version: replace(old[version], reason=reason) for version, reason in refused.items() if version in old}
        merged = {**_without_folders(old, found), **fresh, **kept}
        versions = {version: merged[version] for version in sorted(merged, key=natural_order)}
        with self._loading:
            self._replace(Model(name, versions, self._default_of(name, versions)))
        return refused

    def _keep_what_is_gone(self, model: Model) -> None:
        with self._loading:
            self._replace(replace(model, versions=_without_folders(model.versions, ())))

    def _replace(self, model: Model) -> None:
        """Readers hold the mapping without a lock: it is never changed, only exchanged."""
        self._models = {**(self._models or {}), model.name: model}

    def _load_version(self, name: str, version: str) -> VersionState:
        started = perf_counter()
        try:
            served = load_version(self.repository, self.load_runtime, name, version)
            golden = len(served.manifest.golden)
        except (ModelRefused, RuntimeFailed) as error:
            return self._refuse(name, version, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a strange file provokes, the other models are served
            self._log.exception("model_load_crashed", model=name, version=version)
            return self._refuse(name, version, f"could not be loaded ({type(error).__name__})")
        load_ms = (perf_counter() - started) * 1000
        self._log.info("model_loaded", model=name, version=version, golden_rows=golden, load_ms=round(load_ms, 1))
        return VersionState(version, served, load_ms=load_ms)

    def _refuse(self, name: str, version: str, reason: str) -> VersionState:
        self._log.error("model_refused", model=name, version=version, reason=reason)
        return VersionState(version, None, reason)

    def _default_of(self, name: str, versions: dict[str, VersionState]) -> str | None:
        if name in self._default_versions:
            return self._default_versions[name]
        served = [version for version, state in versions.items() if state.served]
        return served[-1] if served else next(reversed(versions), None)

    def _warn_of_absent_defaults(self) -> None:
        models = self._models or {}
        for name, version in self._default_versions.items():
            if name not in models or version not in models[name].versions:
                self._log.error("default_version_absent", model=name, version=version)
        if self._default_model and self._default_model not in models:
            self._log.error("default_model_absent", model=self._default_model)


def _was_unloaded(model: Model | None) -> bool:
    return model is not None and all(state.reason == UNLOADED for state in model.versions.values())


def _without_folders(old: Mapping[str, VersionState], found: Collection[str]) -> dict[str, VersionState]:
    """What was there: a served version whose folder is gone says so, one that was not served is forgotten."""
    gone = {version: replace(state, reason=GONE) for version, state in old.items() if version not in found}
    return {version: gone.get(version, state) for version, state in old.items() if version in found or state.served}
