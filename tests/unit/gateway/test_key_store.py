"""One record that is damaged is nobody's key, and changes nothing for the others."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from time import time

import pytest
import structlog

from app.gate_wiring import build_key_desk
from app.gateway.api_keys import Hasher, mint
from app.gateway.audit import AuditLog
from app.gateway.key_store import FileKeyStore
from app.gateway.keyring import Keyring
from app.gateway.redis import RedisKeyStore
from app.state.link import RedisLink, connect
from config.settings import Settings
from tests.programs import wait_until
from tests.servers import RedisServer

HASHER = Hasher(b"pepper")

DAMAGED = (
    b'"text"',
    b"[]",
    b"7",
    b"null",
    b"{}",
    b'{"id":"aaaaaaaa","name":"n","role":"viewer","digest":5,"created":0}',
    b'{"id":"aaaaaaaa","name":"n","role":"viewer","digest":"x","created":0,"expires":"soon"}',
    b'{"id":"aaaaaaaa","name":"n","role":"viewer","digest":"x","created":0,"models":[[]]}',
    b'{"id":"aaaaaaaa","name":"n","role":"viewer","digest":"x","created":0,"only_from":"10.0.0.1"}',
)


@pytest.mark.parametrize("damage", DAMAGED)
def test_in_the_file(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "keys.json"
    _, record = mint(HASHER, "one", "viewer")
    path.write_bytes(b"[%s, %s]" % (damage, json.dumps(asdict(record)).encode()))
    store = FileKeyStore(path)
    assert store.read() == ({record.id: record}, 1)
    _, other = mint(HASHER, "other", "viewer")
    store.write(other)
    assert store.read() == ({record.id: record, other.id: other}, 1), "it is kept for whoever mends it"


def test_in_redis_a_key_can_be_revoked_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.gateway.keyring.REFRESH_S", 0.05)
    with RedisServer(tmp_path) as redis:
        link = RedisLink(lambda: connect(redis.url, 2, None), structlog.get_logger())
        store = RedisKeyStore(link)
        key, record = mint(HASHER, "one", "viewer")
        store.write(record)
        ring = Keyring(store, HASHER, structlog.get_logger())
        ring.start()
        assert ring.find(key) == record
        for number, damage in enumerate((*DAMAGED, b"\xff", b"[" * 100_000)):
            redis.call("HSET", "sluice:keys", f"damaged-{number}", damage.decode(errors="surrogateescape"))
        redis.call("INCR", "sluice:keys:version")
        wait_until(lambda: ring.health() == "down", 10, "word of the damage")
        assert ring.find(key) == record
        store.write(replace(record, revoked=time()))
        wait_until(lambda: ring.find(key) is None, 10, "the end of a revoked key")
        redis.call("HDEL", "sluice:keys", *(f"damaged-{number}" for number in range(len(DAMAGED) + 2)))
        redis.call("INCR", "sluice:keys:version")
        wait_until(lambda: ring.health() == "up", 10, "the end of the damage")


def test_no_key_is_made_that_no_server_would_take(tmp_path: Path) -> None:
    """Servers that cannot read the pepper go on with one of their own."""
    (tmp_path / "pepper").touch()
    desk = build_key_desk(Settings(data_dir=tmp_path), None, AuditLog(tmp_path / "audit.jsonl"))
    with pytest.raises(OSError, match="pepper"):
        desk.create("one", "viewer")
    assert desk.records() == []
