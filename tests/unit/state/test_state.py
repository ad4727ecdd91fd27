"""One suite over every kind of shared state: tables, windows, documents and leases behave alike."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from app.state.base import Document, State, StateUnavailable
from app.state.link import RedisLink, connect
from app.state.memory import MemoryState
from app.state.redis import RedisState
from app.telemetry.logs import logger
from tests.programs import HOST
from tests.servers import RedisServer


def link_to(server: RedisServer) -> RedisLink:
    """Patient: these tests are about answers, not about how soon a busy machine gives them."""
    return RedisLink(lambda: connect(f"{server.url}?socket_timeout=2", 8), logger("tests"))


@pytest.fixture(params=["memory", "redis"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "memory":
        yield MemoryState(tmp_path)
    else:
        (tmp_path / "redis").mkdir()
        with RedisServer(tmp_path / "redis") as server:
            yield RedisState(link_to(server))


def test_numbers_add_up(state: State) -> None:
    state.add("t", {"a": 1, "b": 0.5})
    state.add("t", {"a": 2})
    assert state.numbers("t") == {"a": 3.0, "b": 0.5}
    assert state.numbers("other") == {}


def test_records_are_replaced(state: State) -> None:
    state.put("r", {"a": b"1", "b": b"\xff\x00"})
    state.put("r", {"a": b"2"})
    assert state.records("r") == {"a": b"2", "b": b"\xff\x00"}
    assert state.records("other") == {}


def test_fields_and_tables_are_removed(state: State) -> None:
    state.add("t", {"a": 1, "b": 1, "c": 1})
    state.remove("t", [])
    state.remove("t", ["a", "absent"])
    assert state.numbers("t") == {"b": 1, "c": 1}
    state.remove("t")
    assert state.numbers("t") == {}


def test_it_is_up(state: State) -> None:
    assert state.health() == "up"


def test_of_two_writers_one_swaps(state: State) -> None:
    assert state.documents("d") == {}
    assert state.swap("d", "a", 0, "one\ntwo") == Document(1, "one\ntwo")
    assert state.swap("d", "a", 0, "late") is None
    assert state.swap("d", "a", 2, "early") is None
    assert state.swap("d", "a", 1, "next") == Document(2, "next")
    assert state.documents("d") == {"a": Document(2, "next")}


def test_what_was_lost_is_put_back_and_nothing_newer_overwritten(state: State) -> None:
    assert state.restore("d", "a", Document(7, "seven"))
    assert not state.restore("d", "a", Document(7, "another seven"))
    assert not state.restore("d", "a", Document(6, "six"))
    assert state.restore("d", "a", Document(8, "eight"))
    assert state.swap("d", "a", 8, "nine") == Document(9, "nine")
    assert state.documents("d") == {"a": Document(9, "nine")}


def test_a_lease_has_one_holder_until_it_ends(state: State) -> None:
    assert state.lease("judge", "anna", 0.3)
    assert not state.lease("judge", "bert", 0.3)
    assert state.lease("judge", "anna", 0.3)
    sleep(0.4)
    assert state.lease("judge", "bert", 0.3)
    assert not state.lease("judge", "anna", 0.3)


@pytest.mark.parametrize("ends", [(), ("PX", "3600000")])
def test_a_lease_that_does_not_end_in_time_is_nobodys(redis_server: RedisServer, ends: tuple[str, ...]) -> None:
    """Somebody else wrote it, or the clock of Redis went back."""
    redis_server.call("SET", "sluice:lease:judge", "junk", *ends)
    state = RedisState(link_to(redis_server))
    assert state.lease("judge", "anna", 5)
    assert not state.lease("judge", "bert", 5)


@pytest.mark.parametrize("damage", [("SET", "x"), ("RPUSH", "x"), ("SADD", "x")])
def test_documents_under_foreign_content_can_be_restored(redis_server: RedisServer, damage: tuple[str, str]) -> None:
    state = RedisState(link_to(redis_server))
    redis_server.call(damage[0], "sluice:documents:d", damage[1])
    with pytest.raises(StateUnavailable):
        state.documents("d")
    assert state.documents("d") == {}
    assert state.restore("d", "a", Document(3, "three"))


def test_a_document_that_cannot_be_read_stands_in_nobodys_way(redis_server: RedisServer) -> None:
    state = RedisState(link_to(redis_server))
    assert state.swap("d", "good", 0, "text") is not None
    redis_server.call("HSET", "sluice:documents:d", "bad", "x", "worse", "one\ntext")
    assert state.documents("d") == {"good": Document(1, "text")}
    assert state.swap("d", "bad", 0, "text") == Document(1, "text")
    assert state.restore("d", "worse", Document(3, "three"))
    assert set(state.documents("d")) == {"good", "bad", "worse"}


@pytest.mark.parametrize(
    "damage", [("SET", "sluice:t", "x"), ("HSET", "sluice:t", "a", "x"), ("LPUSH", "sluice:t", "x")]
)
def test_foreign_content_under_our_keys_is_taken_away(redis_server: RedisServer, damage: tuple[str, ...]) -> None:
    state = RedisState(link_to(redis_server))
    redis_server.call(*damage)
    with pytest.raises(StateUnavailable):
        state.add("t", {"a": 2})
    state.add("t", {"a": 2})
    assert state.numbers("t") == {"a": 2.0}
    assert state.health() == "up"


def test_a_number_that_cannot_be_added_to_is_taken_away(redis_server: RedisServer) -> None:
    state = RedisState(link_to(redis_server))
    redis_server.call("HSET", "sluice:t", "a", "inf")
    with pytest.raises(StateUnavailable):
        state.add("t", {"a": 2})
    state.add("t", {"a": 2})
    assert (state.numbers("t"), state.health()) == ({"a": 2.0}, "up")


@pytest.mark.parametrize("damage", ["x", "", "9", "-9", "1.5"])
def test_a_window_that_never_ends_is_opened_anew(redis_server: RedisServer, damage: str) -> None:
    state = RedisState(link_to(redis_server))
    redis_server.call("SET", "sluice:w", damage)
    assert state.take("w", 1, 1, 5, 60).remaining == 4
    assert state.take("w", 1, 9, 5, 60).units == 4
    assert state.take("w", 1, 1, 5, 60).units == 0


@pytest.mark.parametrize(
    ("damage", "seconds"), [("9" * 400, "60"), ("nan", "60"), ("-9", "60"), ("6", "60"), ("5", "999999")]
)
def test_a_window_that_nobody_could_have_opened_is_opened_anew(
    redis_server: RedisServer, damage: str, seconds: str
) -> None:
    """Over its limit, or open for longer than it lasts: it would refuse everybody until then."""
    redis_server.call("SET", "sluice:w", damage, "EX", seconds)
    assert RedisState(link_to(redis_server)).take("w", 1, 1, 5, 60).remaining == 4


def test_a_window_that_holds_no_number_is_opened_anew(redis_server: RedisServer) -> None:
    state = RedisState(link_to(redis_server))
    redis_server.call("SET", "sluice:w", "x", "EX", "60")
    with pytest.raises(StateUnavailable):
        state.take("w", 1, 1, 5, 60)
    assert state.take("w", 1, 1, 5, 60).remaining == 4
    assert state.health() == "up"


@pytest.mark.parametrize("words", [b"$abc\r\n", b":xyz\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\r\n"])
def test_what_speaks_another_language_is_away(words: bytes) -> None:
    with socket.create_server((HOST, 0)) as listener:
        Thread(target=_babble, args=(listener, words), daemon=True).start()
        link = RedisLink(lambda: connect(f"redis://{HOST}:{listener.getsockname()[1]}", 8), logger("tests"))
        with pytest.raises(StateUnavailable):
            RedisState(link).numbers("t")
        assert not link.up


def _babble(listener: socket.socket, words: bytes) -> None:
    """Answers whatever is asked with the same words, until nobody listens any more."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with suppress(OSError), connection:
                while connection.recv(4096):
                    connection.sendall(words)


def test_a_field_that_is_no_number_is_dropped_alone(redis_server: RedisServer) -> None:
    state = RedisState(link_to(redis_server))
    state.add("t", {"a": 2})
    redis_server.call("HSET", "sluice:t", "junk", "x", "endless", "inf", "nothing", "nan")
    assert state.numbers("t") == {"a": 2.0}
    assert redis_server.call("HKEYS", "sluice:t") == "a"
