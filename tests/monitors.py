"""Those who are told what happens: a scraper of ``/metrics``, and a statsd host."""

import socket
import threading
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.programs import HOST
from tests.rpc_server import RpcServer
from tests.servers import Server


def metric(server: Server | RpcServer, name: str, labels: Mapping[str, str] | None = None) -> float:
    """The sum of a metric's samples that have these labels."""
    answer = server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    wanted = (labels or {}).items()
    found = [sample for family in text_string_to_metric_families(answer.body.decode()) for sample in family.samples]
    return sum(sample.value for sample in found if sample.name == name and wanted <= sample.labels.items())


class StatsdHost:
    """Keeps the lines it is sent."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.lines: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _receive(self) -> None:
        while not self._ending.is_set():
            try:
                self.lines += self._socket.recv(65536).decode().split("\n")
            except TimeoutError:
                continue
