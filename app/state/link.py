"""The link to Redis that shared state, the cache and the gate have in common.

One rule shapes this file: a request pays for an absent Redis at most once per worker. The first failure opens the
link; from then on calls fail at once without touching the network, while a thread of its own asks every half second
whether Redis is back.
"""

from collections.abc import Callable
from threading import Lock, Thread
from time import sleep
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.credentials import CredentialProvider
from redis.retry import Retry

from app.state.base import StateUnavailable

Answer = TypeVar("Answer")

TIMEOUT_S = 0.05
RETRY_S = 0.5

_PROBED = "sluice:probe"
_DAMAGE = ("WRONGTYPE", "is not a float", "is not a valid float", "is not an integer", "would produce NaN or Infinity")
_AWAY = (redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError, ValueError)
"""ValueError is what the client makes of an answer in which a number should stand and does not."""


def connect(url: str, connections: int, credentials: CredentialProvider | None = None) -> Any:
    """A client for the URL; no connection is made before the first command, so before or after a fork is the same.

    ``redis+cluster://`` and ``rediss+cluster://`` name any node of a cluster. Every wait is bounded by ``TIMEOUT_S``,
    and nothing is retried: redis-py's default of ten retries would block a request for seconds.
    """
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "max_connections": connections,
        "retry": Retry(NoBackoff(), 0),
    }
    if credentials is not None:
        options["credential_provider"] = credentials
    scheme, _, rest = url.partition("://")
    if scheme.endswith("+cluster"):
        return RedisCluster.from_url(f"{scheme.removesuffix('+cluster')}://{rest}", **options)
    return redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, **options))


def check_url(url: str) -> None:
    """Find out, without connecting, whether a client can be made for the URL at all.

    Raises:
        ValueError: says why not, and nothing of the URL's password.
    """
    scheme, mark, rest = url.partition("://")
    try:
        pool = redis.ConnectionPool.from_url(scheme.removesuffix("+cluster") + mark + rest)
        pool.connection_class(**pool.connection_kwargs)
    except TypeError:
        raise ValueError("it has an option that there is not") from None
    except (ValueError, redis.exceptions.RedisError) as error:
        raise ValueError(str(error)) from None


class RedisLink:
    """One worker's way to Redis: the pool, and whether it is worth trying."""

    def __init__(self, make_client: Callable[[], Any], log: Any) -> None:
        self._make_client = make_client
        self._client: Any = None
        self._log = log
        self._up = True
        self._writable = True
        self._guard = Lock()

    @property
    def up(self) -> bool:
        """False from the first failure until a probe succeeds."""
        return self._up

    def call(self, command: Callable[[Any], Answer]) -> Answer:
        """Run a command that only reads.

        Raises:
            StateUnavailable: Redis is away or slow, or will not answer this.
        """
        return self._attempt(command, self._refused_read)

    def write(self, command: Callable[[Any], Answer]) -> Answer:
        """Run a command that writes, and learn whether Redis takes any writes.

        Raises:
            StateUnavailable
        """
        answer = self._attempt(command, self._refused_write)
        self._note_writable(True)
        return answer

    def health(self) -> str:
        """``up``, ``down`` or ``read-only``."""
        if not self._up:
            return "down"
        return "up" if self._writable else "read-only"

    def _attempt(self, command: Callable[[Any], Answer], refused: Callable[[Exception], None]) -> Answer:
        if not self._up:
            raise StateUnavailable("redis is away")
        try:
            return command(self._connected())
        except redis.exceptions.MaxConnectionsError:
            raise StateUnavailable("every connection is in use") from None
        except redis.exceptions.ResponseError as error:
            if not is_damage(error):
                refused(error)
            raise StateUnavailable(type(error).__name__) from error
        except _AWAY as error:
            self._open(error)
            raise StateUnavailable(type(error).__name__) from None

    def _connected(self) -> Any:
        """The client; a cluster's asks its nodes when it is made, so the others wait for one thread to find out."""
        return self._client or self._first_client()

    def _first_client(self) -> Any:
        with self._guard:
            if not self._up:
                raise redis.exceptions.ConnectionError
            self._client = self._client or self._make_client()
            return self._client

    def _refused_read(self, error: Exception) -> None:
        """A replica without its master, a cluster without a slot, a user who may not: nothing can be had here."""
        self._open(error)

    def _refused_write(self, error: Exception) -> None:
        """Full, read-only, a disk that is full, a user who may only read: what is there can still be had."""
        self._note_writable(False, type(error).__name__)

    def _note_writable(self, writable: bool, reason: str = "") -> None:
        if writable != self._writable:
            self._writable = writable
            self._log.warning("redis_writable" if writable else "redis_refuses_writes", reason=reason)

    def _open(self, error: Exception) -> None:
        with self._guard:
            if not self._up:
                return
            self._up = False
        self._log.warning("redis_down", reason=type(error).__name__)
        Thread(target=self._probe, name="redis-probe", daemon=True).start()

    def _probe(self) -> None:
        """A read like those of requests, for a Redis that answers PING may refuse everything else."""
        while not self._up:
            sleep(RETRY_S)
            try:
                self._client = self._client or self._make_client()
                self._client.get(_PROBED)
            except _AWAY:
                continue
            self._up = True
            self._log.info("redis_up")


def is_damage(error: BaseException) -> bool:
    """Something that is not ours stands under our key; Redis itself is well."""
    return any(sign in str(error) for sign in _DAMAGE)
