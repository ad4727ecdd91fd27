"""One call as its method sees it: who, from where, until when, and what is to be said beside the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from urllib.parse import unquote

from app.gateway.caller import Caller, Credentials, Fields
from app.telemetry.metrics import NO_FACTS, Facts
from app.telemetry.request_ids import own_or_new


@dataclass(slots=True)
class Call:
    """``metadata`` has the text headers, lower case; ``seconds`` are what its deadline left it on arrival.

    ``facts`` go to the access log, ``trailers`` to the caller.
    """

    path: str
    metadata: Mapping[str, str]
    peer: str
    seconds: float | None
    arrived: float = field(default_factory=monotonic)
    started: float = field(default_factory=perf_counter)
    address: str = ""
    caller: Caller | None = None
    facts: Facts = NO_FACTS
    trailers: list[tuple[str, str | bytes]] = field(default_factory=list)
    request_id: str = ""

    def __post_init__(self) -> None:
        self.request_id = own_or_new(self.metadata.get("x-request-id"))
        self.trailers.append(("x-request-id", self.request_id))

    def say(self, fields: Fields) -> None:
        """Tell the caller something beside the answer."""
        self.trailers += [(name.lower(), value) for name, value in fields]

    @property
    def known_caller(self) -> Caller:
        """Whom the gate let in; every method that is not public has one."""
        if self.caller is None:
            raise LookupError(f"{self.path} was not guarded")
        return self.caller

    @property
    def credentials(self) -> Credentials:
        """What the caller showed."""
        return Credentials.shown(self.metadata.get("x-api-key"), self.metadata.get("authorization"), self.address)


def text_metadata(pairs: Sequence[tuple[str, str | bytes]]) -> dict[str, str]:
    """Metadata by name, binary values left out; of a name that stands twice, HTTP's rule: joined with commas."""
    texts: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(value, str):
            texts[name] = f"{texts[name]},{value}" if name in texts else value
    return texts


def peer_address(peer: str) -> str:
    """The address in gRPC's words for a peer: ``ipv4:127.0.0.1:5123``, ``ipv6:%5B::1%5D:5123``, ``unix:``."""
    kind, _, rest = peer.partition(":")
    return unquote(rest).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
