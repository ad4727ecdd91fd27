"""Key records in Redis: one hash, and a counter that every write moves."""

import json
from dataclasses import asdict
from typing import Any

from app.gateway.api_keys import ApiKey
from app.gateway.key_store import Holdings, holdings
from app.state.link import RedisLink


class RedisKeyStore:
    """Shared by every worker and machine."""

    def __init__(self, link: RedisLink, prefix: str = "sluice:") -> None:
        self._link = link
        self._keys = f"{prefix}keys"
        self._moves = f"{prefix}keys:version"

    def read(self) -> Holdings:
        """See ``KeyStore.read``."""
        rows: dict[bytes, bytes] = self._link.call(lambda client: client.hgetall(self._keys))
        return holdings(map(_json, rows.values()))

    def write(self, *records: ApiKey) -> None:
        """See ``KeyStore.write``."""

        def command(client: Any) -> None:
            pipeline = client.pipeline(transaction=True)
            pipeline.hset(self._keys, mapping={record.id: json.dumps(asdict(record)) for record in records})
            pipeline.incr(self._moves)
            pipeline.execute()

        self._link.write(command)

    def version(self) -> object:
        """See ``KeyStore.version``."""
        return self._link.call(lambda client: client.get(self._moves))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
