"""Gunicorn's threaded worker, hardened: clients that stall are let go, and its own refusals have our error shape.

As it comes, a request thread waits without end for a body that never arrives, and the loop that accepts connections
itself waits up to two seconds for each client that does not hang up: eight of the one kind or a handful of the other
stop a worker.
"""

import errno
import socket
import struct
import sys
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from app.api.urgency import ARRIVED, REFUSED
from app.state.roster import Seat
from app.telemetry.logs import logger, request_id
from app.telemetry.memory import memory
from app.telemetry.request_ids import new_id
from app.worker.answer import Answer
from app.worker.ending import refusal
from app.worker.farewell import Farewell
from app.worker.queueing import QueueingWorker
from app.worker.sharing import Share
from app.worker.weight import Weight

STALL_SECONDS = 5
"""How long a request thread waits for the next byte from a client, or for room to send it one."""

LEAVING_TICK_SECONDS = 0.05
"""How often a worker that was told to go looks whether it can."""

START_AGAIN_SECONDS = 2.0
"""How long a worker that could not start waits before the master may start another in its place."""

NOTIFY_SECONDS = 0.5
"""How often the master hears that the loop turns, and is looked for itself."""

RECOVERY_S = 0.5
"""How long a worker that can open nothing more leaves new connections where they are."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_STATUS = {LimitRequestLine: 414, ExpectationFailed: 417, LimitRequestHeaders: 431, UnsupportedTransferCoding: 501}
_log = logger("sluice.worker")


class ServerLog(Logger):
    """Gunicorn's log without its access log: ours is written by ``api.hooks``, and gunicorn formats what it drops."""

    access_log_enabled = False

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """See ``Logger.exception``; a client that let a thread wait for too long is a line, and no fault of ours."""
        if isinstance(sys.exception(), BlockingIOError):
            _log.warning("client_stalled", waited_s=STALL_SECONDS)
        else:
            super().exception(msg, *args, **kwargs)


class Worker(QueueingWorker):
    """One process: a loop that accepts, threads that answer."""

    seat: Seat
    drain_seconds: float
    memory_limit_mb: int = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told_to_go: float | None = None
        self._notify_next = self._look_next = 0.0

    def init_process(self) -> None:
        """Start and serve. One that cannot start ends alone, while others serve: gunicorn would end them all."""
        try:
            super().init_process()
        except (Exception, SystemExit) as error:
            if self.booted or not self.seat.connections_elsewhere():
                raise
            _log.error("worker_failed_to_start", error=repr(error)[:500], effect="the others go on serving")
            sleep(START_AGAIN_SECONDS)
            sys.exit(1)

    def run(self) -> None:
        """Bound every wait on a client, then serve. Connections inherit the bound from the socket they came through."""
        for listener in self.sockets:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALL_SECONDS, 0))
        self.share = Share(self.seat)
        self.farewell = Farewell(self.poller, self._count_one_less)
        self._weight = Weight(self.memory_limit_mb << 20)
        self._show_load()
        _log.info("worker_ready", pid=self.pid)
        self.seat.ready()
        super().run()

    def accept(self, listener: Any) -> None:
        """Take a connection, unless it is another worker's turn."""
        if self.share.is_anothers(self.nr_conns, monotonic()):
            self.set_accept_enabled(False)
        else:
            self._take_one(listener)
            self.seat.show(self.nr_conns)

    def _take_one(self, listener: Any) -> None:
        """Accept one, or pause when no descriptor is left: gunicorn's own worker would end, and drop all it serves."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self.share.pause(monotonic(), RECOVERY_S)
            self.set_accept_enabled(False)
            _log.error("connection_left_waiting", reason=str(error.strerror), connections=self.nr_conns)

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Listen or not; while it is another's turn, not."""
        super().set_accept_enabled(bool(enabled) and not self.share.courtesy_left(monotonic()))

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """One turn of the loop, which is also when to see whether it is time to go."""
        courtesy = self.share.courtesy_left(monotonic())
        waits = [timeout or 0.0, max(0.0, self.farewell.seconds_left(monotonic())), *([courtesy] if courtesy else [])]
        if self._told_to_go is not None:
            waits.append(LEAVING_TICK_SECONDS)
        super().wait_for_and_dispatch_events(min(waits))
        self.farewell.end(monotonic())
        self.share.weigh(self.nr_conns, monotonic())
        if self._told_to_go is not None and self.alive:
            self._go_when_possible(self._told_to_go)
        elif self._is_tired() and self.alive and self.seat.rest():
            _log.info("worker_retires", requests=self.nr, memory_mb=memory().own >> 20)
            self.alive = False

    def notify(self) -> None:
        """Tell gunicorn's master that the loop turns: not at every turn, it only looks once a second."""
        now = monotonic()
        if now >= self._notify_next:
            self._notify_next = now + NOTIFY_SECONDS
            super().notify()

    def is_parent_alive(self) -> bool:
        """Whether the master is there, looked for as rarely."""
        now = monotonic()
        if now < self._look_next:
            return True
        self._look_next = now + NOTIFY_SECONDS
        return bool(super().is_parent_alive())

    def _is_tired(self) -> bool:
        return self.nr >= self.max_requests or self._weight.too_much()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """TERM: go, but only when that leaves no gap (``_go_when_possible``)."""
        if self._told_to_go is None:
            self._told_to_go = monotonic()
            self.method_queue.defer(lambda: None)

    def _go_when_possible(self, told: float) -> None:
        if not self.seat.stopping:
            self.alive = not self.seat.replaced()
            return
        self.services.closing.set()
        if monotonic() - told >= self.drain_seconds:
            self._stop_listening()
            self.alive = False

    def _stop_listening(self) -> None:
        """Take what has connected already, then have later clients refused at once instead of waiting in vain."""
        for listener in self.sockets:
            before = -1
            while before != self.nr_conns:
                before = self.nr_conns
                self._take_one(listener)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        self.sockets = []

    def _show_load(self) -> None:
        """Let the metrics see what is in hand and what waits: connections that are neither idle nor still silent."""
        prometheus = self.services.observation.prometheus
        if prometheus:
            prometheus.watch("sluice_requests_in_flight", lambda: {(): min(self._busy(), self.cfg.threads)})
            prometheus.watch("sluice_queue_depth", lambda: {(): max(0, self._busy() - self.cfg.threads)})
            prometheus.watch("sluice_queue_room", lambda: {(): int(self.admission.room)})

    def _busy(self) -> int:
        return self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns) - len(self.farewell)

    def _count_one_less(self) -> None:
        self.nr_conns -= 1

    def handle(self, conn: Any) -> Any:
        """Answer one request; where the connection ends with it, the client is told so by the thread that answered."""
        outcome = super().handle(conn)
        request_id.set(None)
        if outcome is False:
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_WR)
            conn.over = True
        return outcome

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Let the application answer; whether the connection goes on.

        Raises:
            StopIteration: it failed after the answer had begun, which can only be broken off.
            UnsupportedTransferCoding: the body is coded in a way that would have to be undone.
        """
        _refuse_other_codings(req)
        made: Any = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg, response_class=Answer)
        answer, environ = made
        environ["wsgi.multithread"] = True
        environ[ARRIVED] = conn.arrived
        environ[REFUSED] = conn.refused
        self.nr += 1
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived or self.share.gives_up_one():
            answer.force_close()
        try:
            self._answer(answer, environ)
        except OSError:
            raise
        except Exception as error:
            if not answer.begun:
                raise
            _log.error("answer_broken_off", error=type(error).__name__, exc_info=error)
            raise StopIteration from None
        return not answer.should_close()

    def _answer(self, answer: Any, environ: Any) -> None:
        body: Any = self.wsgi(environ, answer.start_response)
        try:
            if isinstance(body, environ["wsgi.file_wrapper"]):
                answer.write_file(body)
            else:
                for piece in body:
                    answer.write(piece)
            answer.close()
        finally:
            if hasattr(body, "close"):
                body.close()

    def end_request(self, conn: Any, fs: Any) -> None:
        """Back in the loop: keep the connection, or wait for its client to hang up."""
        if hasattr(conn, "over"):
            self.farewell.see_off(conn.sock)
        else:
            super().end_request(conn, fs)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Refuse what never became a request: bad framing, bad headers, too long a line."""
        request_id.set(new_id())
        status = _STATUS.get(type(exc), 400) if isinstance(exc, ParseException) else 500
        if status == 500:
            _log.error("request_crashed", error=type(exc).__name__, exc_info=exc)
        else:
            _log.warning("request_malformed", status=status, reason=str(exc)[:200], client=addr[0] if addr else "")
        with suppress(OSError):
            client.sendall(refusal(status, str(exc)[:200], request_id.get()))


def _refuse_other_codings(req: Any) -> None:
    """Gunicorn takes ``gzip, chunked`` for chunked, and so hands over what is still packed."""
    if isinstance(req.body.reader, ChunkedReader):
        coded = [value for name, value in req.headers if name == "TRANSFER-ENCODING"]
        if [value.lower() for value in coded] != ["chunked"]:
            raise UnsupportedTransferCoding(", ".join(coded))
