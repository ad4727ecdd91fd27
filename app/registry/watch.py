"""Notices what changes in the model repository while the server runs, and has the registry read it.

Every worker looks for itself, a few times a second. A version is read only once its manifest is there and nothing in
its folder has changed between two looks, so a copy under way is left alone; what is half there nevertheless fails its
digests, and the old one goes on.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any

from app.errors import ModelNotFound, ModelRefused
from app.registry.announcements import Announcements
from app.registry.registry import Registry
from app.registry.repository import MANIFEST_FILE

PERIOD_S = 0.4

Signature = tuple[tuple[str, int, int, int], ...]
Seen = Mapping[tuple[str, str], Signature]


class Watch:
    """The eyes of one worker. ``polls`` False: only what is announced through the API is followed."""

    def __init__(self, registry: Registry, announcements: Announcements, polls: bool, log: Any) -> None:
        self._registry = registry
        self._announcements = announcements
        self._polls = polls
        self._log = log
        self._loaded: Seen = {}
        self._last: Seen = {}
        self._started = False
        self._guard = Lock()

    def remember(self) -> None:
        """Take what is there as known. Comes before the registry loads: what changes meanwhile is then read again."""
        self._loaded = self._last = self._signatures()
        self._announcements.remember()

    def start(self) -> None:
        """Start looking, once per worker."""
        with self._guard:
            if self._started:
                return
            self._started = True
        Thread(target=self._look_forever, name="watch", daemon=True).start()

    def look(self) -> None:
        """One look: what has changed and come to rest is read."""
        self._announcements.follow()
        if not self._polls:
            return
        now = self._signatures()
        rested = {at: it for at, it in now.items() if self._last.get(at) == it and self._loaded.get(at) != it}
        gone = {at for at in self._loaded if at not in now and at not in self._last}
        self._last = now
        self._loaded = {at: it for at, it in {**self._loaded, **rested}.items() if at not in gone}
        for name in sorted({name for name, _ in (*rested, *gone)}):
            self._read(name, {version for model, version in rested if model == name})

    def _read(self, name: str, versions: set[str]) -> None:
        try:
            self._registry.follow(name, versions)
        except (ModelRefused, ModelNotFound) as error:
            self._log.warning("model_reload_refused", model=name, reason=str(error))

    def _signatures(self) -> Seen:
        if not self._polls:
            return {}
        repository = self._registry.repository
        found = {
            (name, version): _signature(repository.root / name / version) for name, version in repository.versions()
        }
        return {at: signature for at, signature in found.items() if signature}

    def _look_forever(self) -> None:
        while True:
            sleep(PERIOD_S)
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - whatever lies there, the next look is taken
                self._log.exception("watch_failed", error=repr(error))


def _signature(folder: Path) -> Signature:
    """Every file of a version with its inode, size and time; empty as long as there is no manifest."""
    files: list[tuple[str, int, int, int]] = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = (Path(place) / name).stat()
            except OSError:
                files.append((name, 0, 0, 0))
            else:
                files.append((str(Path(place, name)), status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(sorted(files)) if (folder / MANIFEST_FILE).is_file() else ()
