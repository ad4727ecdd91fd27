"""Where each microsecond of a prediction goes, in process and in one thread.

``python benchmarks/profile_path.py`` prints the table for one row and for 1,000 rows and keeps it in RESULTS.md. The
application is the real one with a clock on each stage; what gunicorn adds is timed beside it, without its threads and
without a network.
"""

import argparse
import io
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask import Flask, Response
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create

from app.api.prediction import answer, bodies, rest
from app.cache.tiered import PredictionCache
from app.factory import create_app
from app.predictor import Predictor
from app.processors import rest_collector
from app.registry.encoder import Encoder
from app.registry.interpreter import Interpreter
from app.runtimes.onnx import OnnxRuntime
from app.telemetry.access import AccessLog
from benchmarks.environment import BUILD, installed
from benchmarks.report import keep
from benchmarks.rows import bodies as bodies_of
from benchmarks.surroundings import provenance, surroundings
from benchmarks.tracing import Trace
from benchmarks.workload import MODELS, Workload
from config.settings import Settings

ADDRESS = ("127.0.0.1", 8000)
REQUESTS = {1: 4000, 1000: 100}
FLASK = "Flask: context, routing, dispatch, answer"
WHOLE = "**the application as a whole, without clocks**"


def clocked(settings: Settings, trace: Trace) -> Flask:
    """The application with a clock on every stage."""
    trace.wrap(OnnxRuntime, "run", "onnxruntime")
    trace.wrap(Interpreter, "rows", "interpret outputs")
    trace.wrap(Encoder, "encode", "encode and validate rows")
    trace.wrap(PredictionCache, "outputs", "cache: whether it pays, its figures")
    trace.wrap(Predictor, "predict", "pipeline: what holds its stages together")
    trace.wrap(bodies, "read_json", "body: read, parse, look for duplicate names")
    trace.wrap(bodies, "open_envelope", "envelope: marshmallow")
    trace.wrap(rest, "ask", "steering, caller, quota")
    trace.wrap(answer, "json_response", "write JSON, response object")
    trace.wrap(AccessLog, "write", "access log line")
    app = create_app(settings)
    rest_collector()
    views: dict[str, Any] = app.view_functions
    before: list[Any] = app.before_request_funcs[None]
    after: list[Any] = app.after_request_funcs[None]
    views |= {name: trace.timed(view, "view: what holds the stages together") for name, view in views.items()}
    before[:] = [trace.timed(hook, "hooks before") for hook in before]
    after[:] = [trace.timed(hook, "hooks after") for hook in after]
    return app


def traced_us(app: Flask, trace: Trace, path: str, bodies: Sequence[bytes]) -> dict[str, float]:
    """Answer a request for each body; the typical microseconds of each stage."""
    answer = trace.timed(partial(answered, app, path), FLASK)
    for body in bodies:
        answer(body)
        trace.end_request()
    return trace.take_us()


def answered(app: Flask, path: str, body: bytes) -> None:
    """One request through the application, the way gunicorn calls it."""
    chunks: Any = app.wsgi_app(environ(path, body), accept)
    b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()


def accept(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], None]:
    """WSGI's start_response."""
    if not status.startswith("200"):
        raise SystemExit(f"profile: the application answered {status}")
    return lambda _: None


def environ(path: str, body: bytes) -> dict[str, Any]:
    """What gunicorn hands over for a POST."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
    }


def bare_flask_us(path: str, bodies: Sequence[bytes]) -> float:
    """A Flask application with one empty view, for comparison."""
    app = Flask("bare")
    app.add_url_rule(path, view_func=lambda: Response(b"{}", content_type="application/json"), methods=["POST"])
    return typical_us(partial(answered, app, path), bodies)


def gunicorn_us(path: str, body: bytes) -> dict[str, float]:
    """Gunicorn's share that runs without a network: parse the head, build the environment, write the answer."""
    config = Config()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
    message = f"{head}Content-Length: {len(body)}\r\n\r\n".encode()
    near, far = socket.socketpair()

    def parse(chunks: Sequence[bytes]) -> Any:
        return next(RequestParser(config, iter(chunks), ADDRESS))

    def build(request: Any) -> Any:
        return create(request, near, ADDRESS, ADDRESS, config)[0]

    def write(request: Any) -> None:
        response = build(request)
        response.start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        response.write(b"{}")
        far.recv(4096)

    parsed = [parse([message, body])] * 2000
    with near, far:
        built = typical_us(build, parsed)
        return {
            "gunicorn: parse the head": typical_us(parse, [[message, body]] * 2000),
            "gunicorn: WSGI environment": built,
            "gunicorn: write the answer": typical_us(write, parsed) - built,
        }


def typical_us(call: Callable[[Any], Any], arguments: Iterable[Any]) -> float:
    """Median microseconds of a call, one for each argument."""
    times = []
    for argument in arguments:
        started = perf_counter()
        call(argument)
        times.append(perf_counter() - started)
    return median(times) * 1e6


@contextmanager
def stderr_to(file: Path) -> Iterator[None]:
    """The access log goes to a file, as it does in `make bench`."""
    kept = os.dup(2)
    with file.open("wb") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def profile(settings: Settings, path: str, bodies: Mapping[int, Iterator[bytes]]) -> list[dict[str, float]]:
    """Stage -> microseconds, for each kind of body. First runs are thrown away: by then the cache knows if it pays."""
    taken = {rows: [list(islice(some, REQUESTS[rows])) for _ in range(4)] for rows, some in bodies.items()}
    plain = create_app(settings)
    rest_collector()
    whole = {
        rows: [typical_us(partial(answered, plain, path), some) for some in lots[:2]] for rows, lots in taken.items()
    }
    app = clocked(settings, trace := Trace())
    stages = {rows: [traced_us(app, trace, path, some) for some in lots[2:]] for rows, lots in taken.items()}
    return [
        {
            **gunicorn_us(path, lots[0][0]),
            **stages[rows][1],
            WHOLE: whole[rows][1],
            "for comparison: Flask around an empty view": bare_flask_us(path, lots[0] * 20),
        }
        for rows, lots in taken.items()
    ]


def table(columns: list[dict[str, float]]) -> str:
    """Markdown."""
    lines = [[f"{column[stage]:,.1f}" for column in columns] for stage in columns[0]]
    heads = " | ".join(f"{rows:,} row{'s' * (rows > 1)}, us" for rows in REQUESTS)
    rule = "|---|" + "---:|" * len(columns)
    return "\n".join(
        [
            f"| stage | {heads} |",
            rule,
            *(f"| {stage} | {' | '.join(line)} |" for stage, line in zip(columns[0], lines, strict=True)),
        ]
    )


def measure(workload: Workload) -> str:
    """The table for the benchmark's model."""
    variables = {
        "SLUICE_MODELS_DIR": str(workload.repository("trees")),
        "SLUICE_DEPLOYMENT_FILE": str(workload.deployment("plain", "trees")),
        "SLUICE_LOG_LEVEL": "warning",
        "SLUICE_AUTH": "off",
        "SLUICE_INFERENCE_THREADS": "1",
    }
    sent = {rows: bodies_of(rows) for rows in REQUESTS}
    return table(profile(Settings.from_env(variables), f"/v1/models/{MODELS['trees'].name}/predict", sent))


def main() -> None:
    """Measure, print, keep."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    workload = Workload(folder)
    workload.build("trees")
    with stderr_to(folder / "profile.log"):
        found = measure(workload)
    print(found)
    around = provenance(surroundings(installed(sys.executable), os.getloadavg()[0]))
    keep("profile", f"## Where each microsecond goes\n\n`python benchmarks/profile_path.py`: {around}\n\n{found}")


if __name__ == "__main__":
    main()
