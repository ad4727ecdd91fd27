"""Our nginx before our server: what passes, what is refused, and who is said to have asked."""

import gzip
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.registry.repository import Repository
from tests.certificates import self_signed
from tests.client import Answer, exchange, message, read_answer
from tests.front import GENEROUS, Front
from tests.models import linear
from tests.programs import HOST, wait_until
from tests.servers import Server

BODY = {"features": [1, 2]}
PREDICT = "/v1/models/linear/predict"

StartFront = Callable[..., Front]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, which believes what nginx says about who asks."""
    folder = tmp_path_factory.mktemp("behind")
    repository = Repository(folder / "models")
    linear().add(repository)
    env = {"SLUICE_TRUSTED_PROXIES": HOST, "SLUICE_MAX_BODY_BYTES": "100000"}
    with Server(folder / "server", env, repository.root) as running:
        yield running


@pytest.fixture(scope="module")
def start_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartFront]:
    with ExitStack() as stack:

        def start(upstreams: Sequence[str], *options: str, tls: tuple[Path, Path] | None = None) -> Front:
            return stack.enter_context(Front(tmp_path_factory.mktemp("nginx"), upstreams, *options, tls=tls))

        yield start


@pytest.fixture(scope="module")
def plain(behind: Server, start_front: StartFront) -> Front:
    return start_front([f"{HOST}:{behind.port}"], *GENEROUS, "--max-body", "100000")


@pytest.fixture(scope="module")
def secure(behind: Server, start_front: StartFront, tmp_path_factory: pytest.TempPathFactory) -> Front:
    tls = self_signed(tmp_path_factory.mktemp("tls"))
    return start_front([f"{HOST}:{behind.port}"], *GENEROUS, tls=tls)


def curl(*options: str) -> str:
    done = subprocess.run(["curl", "-sSk", *options], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def problem(answer: Answer, status: int) -> None:
    """One of nginx's own, in the server's shape."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:sluice:problem:")
    assert document["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def app_row(server: Server, request_id: str) -> dict[str, object]:
    def found() -> list[dict[str, object]]:
        return [json.loads(line) for line in server.log.splitlines() if request_id in line and '"request"' in line]

    wait_until(lambda: bool(found()), 5, f"a line of {request_id}")
    assert len(found()) == 1
    return found()[0]


def test_a_prediction_over_tls_and_http_2(secure: Front) -> None:
    shown = ["-w", "\n%{http_version} %{ssl_verify_result}", "--http2", "--json", json.dumps(BODY)]
    body, _, facts = curl(*shown, secure.url + PREDICT).rpartition("\n")
    assert json.loads(body)["prediction"] == 5.5
    assert facts.split()[0] == "2"
    row = secure.row(json.loads(body)["request_id"])
    assert (row["protocol"], row["tls"]) == ("HTTP/2.0", "TLSv1.3")


@pytest.mark.parametrize(("version", "spoken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_from_1_2_on(secure: Front, version: str, spoken: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection((HOST, secure.port), timeout=10) as connection:
        if spoken:
            with context.wrap_socket(connection) as wrapped:
                assert wrapped.version() == version.replace("_", ".")
        else:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(connection)


def test_hsts_only_where_there_is_tls(secure: Front, plain: Front) -> None:
    headers = curl("-D-", "-o/dev/null", f"{secure.url}/health").lower()
    assert "strict-transport-security: max-age=31536000" in headers
    assert "strict-transport-security" not in plain.get("/health").headers


def test_plain_http_on_the_tls_port_is_told_so(secure: Front) -> None:
    problem(secure.get("/health"), 426)


def test_security_headers_are_there_once(plain: Front) -> None:
    with socket.create_connection((HOST, plain.port), timeout=10) as connection:
        connection.sendall(message("POST", PREDICT, BODY))
        raw = b""
        while piece := connection.recv(65536):
            raw += piece
    head = raw.partition(b"\r\n\r\n")[0].lower()
    for name in (b"x-request-id", b"x-content-type-options", b"x-frame-options", b"referrer-policy"):
        assert head.count(name + b":") == 1, name
    assert b"server: nginx\r\n" in head, "no version"


def test_one_id_in_the_answer_and_in_both_logs(plain: Front, behind: Server) -> None:
    answer = plain.post(PREDICT, BODY, {"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine-1"
    assert plain.row("mine-1")["path"] == PREDICT
    assert app_row(behind, "mine-1")["path"] == PREDICT
    hostile = plain.post(PREDICT, BODY, {"X-Request-ID": 'x","admin":true'})
    assert len(hostile.headers["x-request-id"]) == 32
    assert app_row(behind, hostile.headers["x-request-id"])


def test_the_clients_own_address_reaches_the_log_whatever_it_claims(plain: Front, behind: Server) -> None:
    with socket.create_connection((HOST, plain.port), timeout=10, source_address=("127.0.0.77", 0)) as connection:
        claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
        connection.sendall(message("POST", PREDICT, BODY, claims | {"X-Request-ID": "who-1"}))
        assert read_answer(connection).status == 200
    assert plain.row("who-1")["client"] == "127.0.0.77"
    assert app_row(behind, "who-1")["client"] == "127.0.0.77"


def test_behind_another_proxy_the_address_is_what_that_one_says(behind: Server, start_front: StartFront) -> None:
    front = start_front([f"{HOST}:{behind.port}"], *GENEROUS, "--real-ip-from", HOST)
    front.post(PREDICT, BODY, {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Request-ID": "far-1"})
    assert front.row("far-1")["client"] == "198.51.100.7"
    assert app_row(behind, "far-1")["client"] == "198.51.100.7"


def test_a_body_too_large_is_refused_before_it_is_read(plain: Front) -> None:
    head = message("POST", PREDICT, b"", {"Content-Length": "100001", "X-Request-ID": "big-1"})
    problem(plain.send(head), 413)
    assert plain.row("big-1")["upstream"] == ""
    chunks = b"".join(b"4000\r\n" + b" " * 0x4000 + b"\r\n" for _ in range(8)) + b"0\r\n\r\n"
    raw = message("POST", PREDICT, b"", {"Content-Length": "", "Transfer-Encoding": "chunked"}) + chunks
    problem(plain.send(raw), 413)


def test_a_body_just_within_the_limit_passes(plain: Front) -> None:
    body = json.dumps(BODY).encode().ljust(100_000)
    assert plain.post(PREDICT, body).json()["prediction"] == 5.5


def test_headers_too_large_are_refused(plain: Front) -> None:
    problem(plain.get("/health", {"X-Long": "x" * 9000}), 431)
    problem(plain.get("/health", {f"X-Long-{number}": "x" * 4000 for number in range(12)}), 431)
    problem(plain.get("/" + "x" * 9000), 414)


def test_what_nginx_refuses_itself(plain: Front) -> None:
    problem(plain.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), 400)
    problem(plain.send(message("TRACE", "/health")), 405)
    problem(plain.get("/metrics"), 404)
    assert {plain.get(path).status for path in ("//metrics", "///metrics", "/%2fmetrics", "/%2F/metrics")} == {404}
    problem(plain.send(b"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n"), 505)
    problem(
        plain.send(message("POST", PREDICT, b"x", {"Transfer-Encoding": "gzip", "Content-Length": ""})),
        501,
    )


def test_what_the_server_refuses_passes_as_it_is(plain: Front) -> None:
    refused = plain.post(PREDICT, {"features": ["x", 2]})
    assert refused.status == 422
    assert "errors" in refused.json()
    assert plain.get("/no/such/page").json()["detail"].startswith("There is nothing")
    assert plain.send(message("DELETE", PREDICT)).status == 405


def test_metrics_can_be_let_through(behind: Server, start_front: StartFront) -> None:
    front = start_front([f"{HOST}:{behind.port}"], *GENEROUS, "--metrics")
    assert b"sluice_requests_total" in front.get("/metrics").body


def test_long_answers_are_compressed_for_who_wants_that(plain: Front) -> None:
    packed = plain.get("/openapi.json", {"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert json.loads(gzip.decompress(packed.body))["openapi"].startswith("3.1")
    assert "content-encoding" not in plain.get("/openapi.json").headers


def test_too_many_from_one_address_are_refused_and_probes_are_not(behind: Server, start_front: StartFront) -> None:
    front = start_front([f"{HOST}:{behind.port}"], "--rate", "1", "--burst", "4")
    answers = [front.post(PREDICT, BODY) for _ in range(10)]
    assert [answer.status for answer in answers].count(200) in (5, 6), "the first, the burst, and what a second adds"
    refused = answers[-1]
    problem(refused, 429)
    assert refused.headers["retry-after"] == "1"
    assert front.get("/health").status == front.get("/health/ready").status == 200
    with socket.create_connection((HOST, front.port), timeout=10, source_address=("127.0.0.78", 0)) as other:
        other.sendall(message("POST", PREDICT, BODY))
        assert read_answer(other).status == 200, "another address has its own"


def test_a_whole_64_of_ipv6_is_one_address(behind: Server, start_front: StartFront) -> None:
    front = start_front([f"{HOST}:{behind.port}"], "--rate", "1", "--burst", "4", "--real-ip-from", HOST)

    def count(address: str) -> int:
        answers = [front.post(PREDICT, BODY, {"X-Forwarded-For": address.format(n)}) for n in range(1, 10)]
        return [answer.status for answer in answers].count(200)

    assert count("2001:db8:0:1:{0}::{0}") in (5, 6), "neighbours"
    assert count("2001:db8:0:{}::1") == 9 - 1, "others, but for the one whose neighbours were many"
    assert count("::ffff:198.51.100.{}") == 9, "IPv4 in the words of IPv6"


class Deaf:
    """A server that reads each request and hangs up without an answer, as one that is killed does."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def close(self) -> None:
        socket.create_connection((HOST, self.port)).close()
        self._thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                line = connection.recv(65536).partition(b"\r\n")[0]
                if not line:
                    return
                self.heard.append(line)


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    running = Deaf()
    yield running
    running.close()


@pytest.mark.parametrize(
    ("method", "path", "times"),
    [
        ("POST", "/predict", 2),
        ("POST", PREDICT, 2),
        ("POST", "/v1/models/linear/versions/v1/predict", 2),
        ("POST", "/score", 2),
        ("POST", "/invocations", 2),
        ("POST", "/v2/models/linear/infer", 2),
        ("POST", "/v2/models/linear/versions/1/infer", 2),
        ("GET", "/v1/models", 2),
        ("POST", "/v1/cache/clear", 1),
        ("POST", "/v1/models/linear/warm", 1),
        ("POST", "/v1/keys", 1),
        ("PUT", "/v1/models/linear/plan", 1),
        ("DELETE", "/v1/keys/k-1", 1),
        ("PATCH", "/v1/keys/k-1", 1),
        ("POST", PREDICT + "/../../../cache/clear", 1),
    ],
)
def test_only_what_changes_nothing_is_asked_twice(
    deaf: Deaf, start_front: StartFront, method: str, path: str, times: int
) -> None:
    front = start_front([f"{HOST}:{deaf.port}"], *GENEROUS)
    problem(front.send(message(method, path, BODY if method != "GET" else None)), 502)
    assert deaf.heard == [f"{method} {path} HTTP/1.1".encode()] * times


def test_a_server_that_is_away_is_left_out(behind: Server, deaf: Deaf, start_front: StartFront) -> None:
    front = start_front([f"{HOST}:{behind.port}", f"{HOST}:{deaf.port}"], *GENEROUS)
    for _ in range(60):
        assert front.post(PREDICT, BODY).json()["prediction"] == 5.5
    assert 4 <= len(deaf.heard) <= 10, "four failures, and it is left out"
    assert front.post("/v1/cache/clear", {}).status == 200


def test_when_all_are_left_out_they_are_asked_all_the_same(start_front: StartFront, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    linear().add(repository)
    servers = [Server(tmp_path / name, models=repository.root) for name in ("one", "two")]
    front = start_front([f"{HOST}:{server.port}" for server in servers], *GENEROUS)
    for _ in range(12):
        problem(front.post(PREDICT, BODY), 502)
    with servers[0], servers[1]:
        for _ in range(10):
            assert front.post(PREDICT, BODY).status == 200, "at once, not after the time-out of a failed server"


def test_the_same_key_always_comes_to_the_same_server(start_front: StartFront, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    linear().add(repository)
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(tmp_path / str(n), models=repository.root)) for n in range(3)]
        ports = [f"{HOST}:{server.port}" for server in servers]
        front = start_front(ports, *GENEROUS, "--sticky", "X-API-Key")
        for round_ in range(3):
            for key in range(12):
                front.post(PREDICT, BODY, {"X-API-Key": f"key-{key}", "X-Request-ID": f"sticky-{round_}-{key}"})
        chosen = {key: {front.row(f"sticky-{round_}-{key}")["upstream"] for round_ in range(3)} for key in range(12)}
        assert all(len(servers) == 1 for servers in chosen.values())
        assert len(set().union(*chosen.values())) == 3
        for number in range(20):
            front.post(PREDICT, BODY, {"X-Request-ID": f"loose-{number}"})
        assert len({front.row(f"loose-{number}")["upstream"] for number in range(20)}) > 1, "without a key, anywhere"
        servers[0].kill()
        for key in range(12):
            assert front.post(PREDICT, BODY, {"X-API-Key": f"key-{key}"}).status == 200


def test_over_a_unix_socket(start_front: StartFront, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    linear().add(repository)

    class SocketServer(Server):
        def answers(self) -> bool:
            return "worker_ready" in self.log

    with TemporaryDirectory() as name, ExitStack() as stack:
        Path(name).chmod(0o755)  # nginx answers as a user of its own
        path = Path(name) / "sluice.sock"
        env = {"HOST": f"unix:{path}", "SLUICE_TRUSTED_PROXIES": "unix"}
        server = stack.enter_context(SocketServer(tmp_path / "server", env, repository.root))
        front = start_front([f"unix:{path}"], *GENEROUS)
        with socket.create_connection((HOST, front.port), timeout=10, source_address=("127.0.0.79", 0)) as connection:
            connection.sendall(message("POST", PREDICT, BODY, {"X-Request-ID": "socket-1"}))
            assert read_answer(connection).json()["prediction"] == 5.5
        assert app_row(server, "socket-1")["client"] == "127.0.0.79"


def test_another_name_is_not_answered(behind: Server, start_front: StartFront) -> None:
    front = start_front([f"{HOST}:{behind.port}"], *GENEROUS, "--server-name", "api.example.com")
    assert front.get("/health", {"Host": "api.example.com"}).status == 200
    assert front.get("/health", {"Host": "evil.example"}).status == 421


def test_plain_http_is_sent_to_https(behind: Server, start_front: StartFront, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    tls = self_signed(tmp_path)
    start_front([f"{HOST}:{behind.port}"], *GENEROUS, "--redirect-from", f"{HOST}:{port}", tls=tls)
    answer = exchange(HOST, port, message("POST", PREDICT, BODY))
    assert answer.status == 308
    assert answer.headers["location"] == f"https://localhost{PREDICT}"
