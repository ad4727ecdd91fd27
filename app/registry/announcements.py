"""What one worker was told to load or unload, for all the others: a document per model in shared state."""

from typing import Any

from app.errors import ModelNotFound, ModelRefused
from app.registry.registry import Registry
from app.state.base import State, StateUnavailable

KIND = "registry"
LOAD, UNLOAD = "load", "unload"


class Announcements:
    """Told by the worker that was asked, followed by the others within two seconds."""

    def __init__(self, state: State, registry: Registry, log: Any) -> None:
        self._state = state
        self._registry = registry
        self._log = log
        self._seen: dict[str, int] = {}

    def load(self, name: str) -> None:
        """Load here, then everywhere.

        Raises:
            ModelNotFound, ModelRefused: see ``Registry.reload``; the others then find out for themselves.
            StateUnavailable: it was done here only.
        """
        try:
            self._registry.reload(name)
        finally:
            if name in self._registry.models:
                self._tell(name, LOAD)

    def unload(self, name: str) -> None:
        """Unload here, then everywhere, and in workers that start later.

        Raises:
            ModelNotFound
            StateUnavailable: it was done here only.
        """
        self._registry.unload(name)
        self._tell(name, UNLOAD)

    def remember(self) -> None:
        """Loads are history for a worker that starts; what was unloaded stays so, and is followed by the first look."""
        try:
            documents = self._state.documents(KIND)
        except StateUnavailable:
            return
        self._seen = {name: item.generation for name, item in documents.items() if item.text == LOAD}

    def follow(self) -> None:
        """Do what others have announced since the last look."""
        try:
            documents = self._state.documents(KIND)
        except StateUnavailable:
            return
        for name, document in documents.items():
            if self._seen.get(name) != document.generation:
                self._seen[name] = document.generation
                self._apply(name, document.text)

    def _apply(self, name: str, action: str) -> None:
        try:
            if action == UNLOAD:
                self._registry.unload(name)
            else:
                self._registry.reload(name)
        except (ModelRefused, ModelNotFound) as error:
            self._log.warning("announcement_refused", model=name, action=action, reason=str(error))

    def _tell(self, name: str, action: str) -> None:
        """Of two at once either may come last; both have been done."""
        held = self._state.documents(KIND).get(name)
        told = self._state.swap(KIND, name, held.generation if held else 0, action)
        if told:
            self._seen[name] = told.generation
