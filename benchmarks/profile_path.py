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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask import Flask, Response
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create

from app.api import hooks
from app.api.prediction import rest
from app.cache.tiered import PredictionCache
from app.factory import create_app
from app.predictor import Predictor
from app.registry.encoder import Encoder
from app.registry.interpreter import Interpreter
from app.runtimes.onnx import OnnxRuntime
from benchmarks.environment import BUILD, installed
from benchmarks.report import keep, provenance, surroundings
from benchmarks.tracing import Trace
from benchmarks.workload import Workload, build_workload
from config.settings import Settings

ADDRESS = ("127.0.0.1", 8000)
REQUESTS = {1: 4000, 1000: 200}
FLASK = "Flask: context, routing, dispatch, answer"
WHOLE = "**the application as a whole, without clocks**"


def trace_stages(app: Flask, trace: Trace) -> None:
    """Put the clock on every stage."""
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = trace.timed(view, "view: what holds the stages together")
    for number, hook in enumerate(app.before_request_funcs[None]):
        app.before_request_funcs[None][number] = trace.timed(hook, "hooks before")
    for number, hook in enumerate(app.after_request_funcs[None]):
        app.after_request_funcs[None][number] = trace.timed(hook, "hooks after")
    trace.wrap(hooks, "write_access", "access log line")
    trace.wrap(rest, "read_json", "body: read, parse, look for duplicate names")
    trace.wrap(rest, "open_envelope", "envelope: marshmallow")
    trace.wrap(Predictor, "predict", "pipeline: what holds its stages together")
    trace.wrap(PredictionCache, "outputs", "cache: whether it pays, its figures")
    trace.wrap(Encoder, "encode", "encode and validate rows")
    trace.wrap(OnnxRuntime, "run", "onnxruntime")
    trace.wrap(Interpreter, "rows", "interpret outputs")
    trace.wrap(Response, "__init__", "response object")


def traced_us(app: Flask, trace: Trace, path: str, body: bytes, requests: int) -> dict[str, float]:
    """Answer so many requests; the typical microseconds of each stage."""
    answer = trace.timed(lambda: answered(app, path, body), FLASK)
    for _ in range(requests):
        answer()
        trace.end_request()
    return trace.take_us()


def answered(app: Flask, path: str, body: bytes) -> None:
    """One request through the application, the way gunicorn calls it."""
    chunks: Any = app.wsgi_app(environ(path, body), accept)
    b"".join(chunks)
    chunks.close()


def accept(status: str, *_: Any) -> None:
    """WSGI's start_response."""
    if not status.startswith("200"):
        raise SystemExit(f"profile: the application answered {status}")


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


def bare_flask_us(path: str, body: bytes) -> float:
    """A Flask application with one empty view, for comparison."""
    app = Flask("bare")
    app.add_url_rule(path, view_func=lambda: Response(b"{}", content_type="application/json"), methods=["POST"])
    return typical_us(lambda: answered(app, path, body), 2000)


def gunicorn_us(path: str, body: bytes) -> dict[str, float]:
    """Gunicorn's share that runs without a network: parse the head, build the environment, write the answer."""
    config = Config()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
    message = f"{head}Content-Length: {len(body)}\r\n\r\n".encode()
    near, far = socket.socketpair()

    def parse() -> Any:
        return next(RequestParser(config, iter([message, body]), ADDRESS))

    def build() -> Any:
        return create(request, near, ADDRESS, ADDRESS, config)[0]

    def write() -> None:
        response = build()
        response.start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        response.write(b"{}")
        far.recv(4096)

    request = parse()
    with near, far:
        built = typical_us(build)
        return {
            "gunicorn: parse the head": typical_us(parse),
            "gunicorn: WSGI environment": built,
            "gunicorn: write the answer": typical_us(write) - built,
        }


def typical_us(call: Callable[[], Any], repeats: int = 2000) -> float:
    """Median microseconds of a call."""
    times = []
    for _ in range(repeats):
        started = perf_counter()
        call()
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


def profile(app: Flask, path: str, bodies: dict[int, bytes]) -> list[dict[str, float]]:
    """Stage -> microseconds, for each body."""
    for rows, body in bodies.items():
        typical_us(partial(answered, app, path, body), REQUESTS[rows])  # by then the cache knows whether it pays
    plain = [typical_us(partial(answered, app, path, body), REQUESTS[rows]) for rows, body in bodies.items()]
    trace_stages(app, trace := Trace())
    return [
        {
            **gunicorn_us(path, body),
            **traced_us(app, trace, path, body, REQUESTS[rows]),
            WHOLE: whole,
            "for comparison: Flask around an empty view": bare_flask_us(path, body),
        }
        for (rows, body), whole in zip(bodies.items(), plain, strict=True)
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
        "SLUICE_MODELS_DIR": str(workload.repository),
        "SLUICE_DEPLOYMENT_FILE": str(workload.deployment_file),
        "SLUICE_LOG_LEVEL": "warning",
        "SLUICE_AUTH": "off",
        "SLUICE_INFERENCE_THREADS": "1",
    }
    app = create_app(Settings.from_env(variables))
    bodies = {rows: workload.sample(rows)[0] for rows in REQUESTS}
    return table(profile(app, f"/v1/models/{workload.model_name}/predict", bodies))


def main() -> None:
    """Measure, print, keep."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with stderr_to(folder / "profile.log"):
        found = measure(build_workload(folder))
    print(found)
    around = provenance(surroundings(installed(sys.executable)))
    keep("profile", f"## Where each microsecond goes\n\n`python benchmarks/profile_path.py`: {around}\n\n{found}")


if __name__ == "__main__":
    main()
