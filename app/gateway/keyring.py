"""The key records as this worker knows them: in memory, and never older than a second while the store can be read."""

from collections.abc import Mapping
from threading import Lock, Thread
from time import sleep, time
from typing import Any

from app.gateway.api_keys import ApiKey, Hasher, find
from app.gateway.key_store import KeyStore

REFRESH_S = 1.0


class Keyring:
    """Looks keys up in memory; a thread of its own asks the store once a second whether anything changed."""

    def __init__(self, store: KeyStore, hasher: Hasher, log: Any) -> None:
        self._store = store
        self._hasher = hasher
        self._log = log
        self._records: Mapping[str, ApiKey] | None = None
        self._version: object = object()
        self._readable = True
        self._damaged = 0
        self._starting = Lock()

    def start(self) -> None:
        """Read the store now and keep reading; a worker does so before it accepts, others at the first look-up."""
        with self._starting:
            if self._records is None:
                self._records = {}
                self._look()
                Thread(target=self._look_forever, name="keyring", daemon=True).start()

    def find(self, key: str) -> ApiKey | None:
        """The active record of a key."""
        if self._records is None:
            self.start()
        return find(key, self._records or {}, self._hasher)

    def holds(self, record: ApiKey) -> bool:
        """Whether a record that was found earlier still stands as it did, and its key is active."""
        return (self._records or {}).get(record.id) is record and record.state(time()) == "active"

    def health(self) -> str:
        """``up``, or ``down`` while the last records read are being used, or some are damaged."""
        return "up" if self._readable else "down"

    def _look_forever(self) -> None:
        while True:
            sleep(REFRESH_S)
            self._look()

    def _look(self) -> None:
        try:
            version = self._store.version()
            if version != self._version:
                held = self._store.read()
                self._adopt(held.records)
                self._damaged, self._version = held.damaged, version
            self._note(not self._damaged, f"{self._damaged} records are damaged" if self._damaged else "")
        except Exception as error:  # noqa: BLE001 - revoked keys must not live on because this thread ended
            self._note(False, str(error)[:200])

    def _adopt(self, records: Mapping[str, ApiKey]) -> None:
        """Take over what the store holds.

        A store that lost everything (a flushed Redis) must not lock everybody out: revoked keys keep their records, so
        an empty store after a full one is damage, not a decision.
        """
        if self._records and not records:
            raise ValueError("the key store is empty; going on with the keys it held")
        self._records = records

    def _note(self, readable: bool, reason: str = "") -> None:
        if readable != self._readable:
            self._readable = readable
            self._log.warning("keys_readable" if readable else "keys_unreadable", reason=reason)
