"""A client that knows what it sent: every request has an id and rows of its own, every answer is checked."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count

from tests.client import Answer, message, read_answer
from tests.programs import HOST


@dataclass
class Outcome:
    """What came of a load. ``wrong`` holds the first words on each request that was not answered as it should."""

    ids: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.ids) / self.elapsed

    def percentile(self, share: float) -> float:
        """Latency in seconds below which that share lies."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))]


@dataclass(frozen=True)
class Question:
    """One request: its path and body, and what is wrong with an answer, or an empty text."""

    path: str
    body: object
    wrong: Callable[[Answer], str]


def linear_question(number: int) -> Question:
    """For the tests' model ``linear``: the answer is x + 2 y + 0.5, and both are small enough to be exact."""
    first, second = number % 4096, number // 4096

    def wrong(answer: Answer) -> str:
        expected = first + 2 * second + 0.5
        return "" if answer.status == 200 and answer.json()["prediction"] == expected else f"not {expected}"

    return Question("/v1/models/linear/predict", {"features": [first, second]}, wrong)


class Load:
    """Some connections that ask one question after the other, at ``rate`` requests per second over all, or at will."""

    def __init__(
        self,
        port: int,
        connections: int = 8,
        rate: float | None = None,
        ask: Callable[[int], Question] = linear_question,
        prefix: str = "load",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._port = port
        self._rate = rate
        self._ask = ask
        self._prefix = prefix
        self._headers = dict(headers or {})
        self._numbers = count()
        self._ending = threading.Event()
        self._outcome = Outcome()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(connections)]
        self._started = 0.0

    def start(self) -> "Load":
        """Begin."""
        self._started = time.perf_counter()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> Outcome:
        """Wait for the last answers."""
        self._ending.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request is never answered"
        self._outcome.elapsed = time.perf_counter() - self._started
        return self._outcome

    def run(self, seconds: float) -> Outcome:
        """Load for that long."""
        self.start()
        time.sleep(seconds)
        return self.stop()

    def _work(self) -> None:
        connection: socket.socket | None = None
        while not self._ending.is_set():
            number = next(self._numbers)
            self._await_turn(number)
            connection = self._exchange(connection, number)
        if connection:
            connection.close()

    def _await_turn(self, number: int) -> None:
        if self._rate:
            time.sleep(max(0.0, self._started + number / self._rate - time.perf_counter()))

    def _exchange(self, connection: socket.socket | None, number: int) -> socket.socket | None:
        """Ask once, never again; the connection, if it goes on."""
        request_id = f"{self._prefix}-{number}"
        question = self._ask(number)
        headers = {"Connection": "keep-alive", "X-Request-ID": request_id} | self._headers
        raw = message("POST", question.path, question.body, headers)
        begun = time.perf_counter()
        try:
            connection = connection or socket.create_connection((HOST, self._port), timeout=30)
            connection.sendall(raw)
            answer = read_answer(connection, "POST")
        except (OSError, ValueError, HTTPException) as error:
            self._note(request_id, begun, repr(error))
            if connection:
                connection.close()
            return None
        wrong = question.wrong(answer)
        if answer.headers.get("x-request-id") != request_id:
            wrong = f"another's answer: {answer.headers.get('x-request-id')}"
        self._note(request_id, begun, f"{answer.status} {wrong} {answer.body[:200]!r}" if wrong else "")
        if answer.headers.get("connection") == "close":
            connection.close()
            return None
        return connection

    def _note(self, request_id: str, begun: float, wrong: str) -> None:
        self._outcome.ids.append(request_id)
        self._outcome.seconds.append(time.perf_counter() - begun)
        if wrong:
            self._outcome.wrong.append(f"{request_id}: {wrong}")
