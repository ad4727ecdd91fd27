"""Where keys are made, listed, rotated and revoked. Every change is audited; a key is seen once, by its maker."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from getpass import getuser
from time import time

from app.gateway.api_keys import ApiKey, Hasher, mint, successor
from app.gateway.audit import AuditLog
from app.gateway.caller import Quota
from app.gateway.key_store import KeyStore


class KeyNotFound(LookupError):
    """No record with that id."""


class KeyDesk:
    """What ``flask keys`` does, on the store that the servers read.

    ``hasher`` raises OSError where the servers' pepper cannot be had: a key that is made without it is never good.
    """

    def __init__(
        self,
        store: KeyStore,
        hasher: Callable[[], Hasher],
        audit: AuditLog,
        roles: Sequence[str],
        quotas_of: Callable[[str], tuple[Quota, ...]],
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._audit = audit
        self._quotas_of = quotas_of
        self.roles = tuple(roles)

    def create(
        self,
        name: str,
        role: str,
        lifetime_s: float | None = None,
        models: Sequence[str] | None = None,
        quotas: Sequence[str] = (),
    ) -> tuple[str, ApiKey]:
        """A new key and its record.

        Raises:
            ValueError: no such role, or a quota that cannot be read.
            OSError, StateUnavailable: the store does not take it.
        """
        if role not in self.roles:
            raise ValueError(f"there is no role '{role}'; roles are {', '.join(self.roles)}")
        for text in quotas:
            self._quotas_of(text)
        expires = None if lifetime_s is None else time() + lifetime_s
        key, record = mint(self._hasher(), name, role, expires, models, quotas)
        self._store.write(record)
        self._note("keys:create", record)
        return key, record

    def records(self) -> list[ApiKey]:
        """Every record, oldest first."""
        return sorted(self._store.read().records.values(), key=lambda record: record.created)

    def revoke(self, key_id: str) -> ApiKey:
        """End a key now.

        Raises:
            KeyNotFound
        """
        record = replace(self._found(key_id), revoked=time())
        self._store.write(record)
        self._note("keys:revoke", record)
        return record

    def rotate(self, key_id: str, grace_s: float) -> tuple[str, ApiKey]:
        """A successor, which ends when the old key would have; the old one stays good for the grace time.

        Raises:
            KeyNotFound
            ValueError: the key has ended already.
        """
        found = self._found(key_id)
        if (state := found.state(time())) != "active":
            raise ValueError(f"key {key_id} is {state}; make a new one with: flask --app wsgi keys create")
        key, new, old = successor(self._hasher(), found, grace_s)
        self._store.write(new, old)
        self._note("keys:rotate", old, replaced_by=new.id)
        return key, new

    def _found(self, key_id: str) -> ApiKey:
        record = self._store.read().records.get(key_id)
        if record is None:
            raise KeyNotFound(key_id)
        return record

    def _note(self, action: str, record: ApiKey, **facts: str) -> None:
        self._audit.record(
            action, "allowed", f"user:{getuser()}", "local", key=record.id, name=record.name, role=record.role, **facts
        )
