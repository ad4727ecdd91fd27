"""Gunicorn's threaded worker with a queue that knows what waits in it.

As it comes, whatever is readable goes to the pool's own queue, without bound, first come first served: under overload
everything waits, probes too. Here the pool is never given more predictions than it has threads for them. What comes on
top is looked at while it still lies in the socket, and waits, or is refused by the loop itself: no thread, no parser,
no Flask. A refusal that costs as much as an answer would only halve what is answered. What is no prediction goes to
threads that are kept for that.
"""

import socket
from functools import partial
from selectors import EVENT_READ
from time import monotonic
from typing import Any, cast

from gunicorn.workers.gthread import ThreadWorker

from app.api.errors import STATUS
from app.errors import DeadlineExceeded, Overloaded, SluiceError
from app.services import EXTENSION, Services
from app.telemetry.access import Answered
from app.telemetry.metrics import NO_FACTS, tell_refusal
from app.telemetry.request_ids import new_id
from app.worker.admission import Admission
from app.worker.ending import quick_refusal
from app.worker.glance import Glance, look
from app.worker.pool import Pool

KEPT_THREADS = 4
"""Threads that predictions never take: for probes, metrics, administration, and refusals that need one."""

COME_AGAIN_S = 1.0

LAST_WORDS_S = 2.0
"""How long a worker that ends leaves a silent connection open; what gunicorn grants to kept ones."""


class QueueingWorker(ThreadWorker):
    """The loop's part of answering: who comes next."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admission = Admission(self.cfg.threads)

    def get_thread_pool(self) -> Any:
        """Threads for predictions, and some more."""
        tell = partial(self.method_queue.defer, self.finish_request)
        self.pool = Pool(self.cfg.threads + KEPT_THREADS, self.handle, tell)
        return self.pool

    @property
    def services(self) -> Services:
        """What the application was given."""
        application: Any = self.wsgi
        return cast(Services, application.extensions[EXTENSION])

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """One turn of the loop."""
        super().wait_for_and_dispatch_events(timeout)
        self.admission.turn(monotonic())

    def enqueue_req(self, conn: Any) -> None:
        """A connection has something to say, or is new. From here on its time counts."""
        conn.arrived = monotonic()
        conn.refused = False
        if not conn.initialized and not conn.data_ready and self._silent(conn):
            self._await_data(conn)
        elif self.admission.free:
            self._hand(conn)
        else:
            self._sort(conn)

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """As ``enqueue_req``; one that is refused stays where it is."""
        if not self.admission.free and self._refused_in_place(conn):
            return
        super().on_client_socket_readable(conn, client)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread is free: give it to the next who waits. Those whose time has run out meanwhile need none."""
        self.pool.done()
        began = getattr(conn, "began", None)
        if began is not None:
            conn.began = None
            self.admission.give_back(monotonic() - began)
        self.end_request(conn, fs)
        for waiting in self.admission.called_up():
            if not self._lapsed(waiting):
                self._hand(waiting)

    def end_request(self, conn: Any, fs: Any) -> None:
        """Back in the loop: keep the connection, or close it."""
        super().finish_request(conn, fs)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker ends: connections that never said anything wait no longer than those that were kept."""
        super()._cap_keepalive(deadline)  # type: ignore[misc]
        silent: Any = self.pending_conns
        for conn in silent:
            conn.timeout = min(conn.timeout, deadline)

    def _hand(self, conn: Any) -> None:
        conn.began = monotonic()
        self.admission.take()
        self.pool.submit(conn)

    def _sort(self, conn: Any) -> None:
        try:
            seen = self._look(conn)
        except OSError:
            seen = Glance(work=False)  # a thread finds out, and closes
        if seen is None:
            self._await_data(conn)
        elif not seen.work:
            self.pool.submit(conn)
        elif self.admission.join(conn, seen.bulk, seen.seconds):
            conn.seen = seen
        elif not self._answered(conn, seen, Overloaded(COME_AGAIN_S)):
            conn.refused = True
            self.pool.submit(conn)
        else:
            self._await_data(conn)

    def _silent(self, conn: Any) -> bool:
        """Whether a new connection has not said anything yet; a thread would only wait for it."""
        try:
            conn.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _look(self, conn: Any) -> Glance | None:
        if conn.parser is not None and conn.parser.unreader.buf.getvalue():
            return Glance()  # the parser has part of it already
        return look(conn.sock)

    def _refused_in_place(self, conn: Any) -> bool:
        """Answer a kept connection without taking it out of the poller, when there is no room for what it sends."""
        if self.admission.has_room(bulk=True):
            return False
        try:
            seen = look(conn.sock)
        except OSError:
            return False
        if seen is None or not seen.work or self.admission.has_room(seen.bulk) or seen.last:
            return False
        if not self._answered(conn, seen, Overloaded(COME_AGAIN_S)):
            return False
        self.keepalived_conns.remove(conn)
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        return True

    def _answered(self, conn: Any, seen: Glance, error: SluiceError) -> bool:
        """Answer with an error from here; False when that needs a thread."""
        if not seen.size or seen.last or not seen.plain:
            return False
        request_id = seen.id or new_id()
        answer = quick_refusal(error, request_id, seen.path.startswith("/v2/"))
        try:
            conn.sock.setblocking(False)
            if len(conn.sock.recv(seen.size)) != seen.size or conn.sock.send(answer) != len(answer):
                conn.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return True  # nobody is there; the poller will say so
        self._tell(conn, seen, request_id, error)
        return True

    def _tell(self, conn: Any, seen: Glance, request_id: str, error: SluiceError) -> None:
        """What a thread would have told the observers and the access log."""
        here, status = self.services, STATUS[type(error)]
        seconds = error.waited_s if isinstance(error, DeadlineExceeded) else 0.0
        tell_refusal(here.metrics, error)
        here.metrics.request("", status, seconds, NO_FACTS)
        if here.access_log:
            peer = conn.client[0] if isinstance(conn.client, tuple) else ""
            here.access_log.write(request_id, seconds, Answered("POST", seen.path, status, peer, None))

    def _lapsed(self, conn: Any) -> bool:
        seen: Glance = conn.seen
        waited = monotonic() - conn.arrived
        if seen.seconds is None or waited < seen.seconds or not self._answered(conn, seen, DeadlineExceeded(waited)):
            return False
        self._await_data(conn)
        return True

    def _await_data(self, conn: Any) -> None:
        """Back to the poller until something comes."""
        conn.sock.setblocking(False)
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, monotonic() + LAST_WORDS_S)
        if conn.initialized:
            self.keepalived_conns.append(conn)
            ready = partial(self.on_client_socket_readable, conn)
        else:
            self.pending_conns.append(conn)
            ready = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, ready)
