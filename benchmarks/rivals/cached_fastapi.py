"""Rival (c): the usual FastAPI example of prediction caching, made complete by hand as a careful team would.

What the example has: pydantic models, an MD5 key over the request, a look into Redis, the model on a miss, SETEX for
an hour, counters behind /cache-stats. What a service needs besides: an API key, a rate limit shared through Redis
(slowapi), a Prometheus instrumentator, a structured log line per request. Redis is asked through ``redis.asyncio``
with hiredis, so the event loop never waits for it. Processes, cores and sockets as for rival (b).
"""

import hashlib
import hmac
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import numpy as np
import onnxruntime as ort
import redis.asyncio as redis
import structlog
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import APIKeyHeader
from pinned_uvicorn import run
from prometheus_fastapi_instrumentator import Instrumentator
from pydantic import BaseModel, Field
from slowapi import Limiter
from slowapi.middleware import SlowAPIASGIMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REDIS_URL = os.environ["BENCH_REDIS_URL"]
API_KEY = os.environ["BENCH_API_KEY"]
VERSION = "v1"

structlog.configure(
    processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    cache_logger_on_first_use=True,
)
log = structlog.get_logger()


async def log_request(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """One structured line per request, the way FastAPI's documentation adds a middleware."""
    started = time.perf_counter()
    response = await call_next(request)
    took = round((time.perf_counter() - started) * 1000, 3)
    log.info("request", method=request.method, path=request.url.path, status=response.status_code, duration_ms=took)
    return response


class LeanRequestLog:
    """The same line from plain ASGI: what somebody writes who has profiled the other."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and remember the status on its way out."""
        started, status = time.perf_counter(), 0

        async def passed_on(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self.app(scope, receive, passed_on)
        if scope["type"] == "http":
            took = round((time.perf_counter() - started) * 1000, 3)
            log.info("request", method=scope["method"], path=scope["path"], status=status, duration_ms=took)


limiter = Limiter(lambda request: request.headers.get("x-api-key", ""), ["6000000/minute"], storage_uri=REDIS_URL)
app = FastAPI()
app.state.limiter = limiter
app.add_middleware(SlowAPIASGIMiddleware)
if os.environ.get("BENCH_LEAN"):
    app.add_middleware(LeanRequestLog)
else:
    app.middleware("http")(log_request)
Instrumentator().instrument(app).expose(app)

cache = redis.Redis.from_url(REDIS_URL, max_connections=50, decode_responses=True)
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])
counts = {"hits": 0, "misses": 0, "cached_s": 0.0, "uncached_s": 0.0}


class PredictionRequest(BaseModel):
    """``{"features": [...]}``; who it is about is optional here, for the load has no customers."""

    customer_id: str = ""
    features: Annotated[list[float], Field(min_length=20, max_length=20)]


class PredictionResponse(BaseModel):
    """The answer, with the probabilities of both classes."""

    prediction: int
    probabilities: list[float]
    cached: bool
    model_version: str


def authenticated(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> None:
    """One key, compared in constant time."""
    if not hmac.compare_digest(key.encode(), API_KEY.encode()):
        raise HTTPException(401, "unknown key")


def cache_key(request: PredictionRequest) -> str:
    """Whom it is about, and the features."""
    content = f"{request.customer_id}:{json.dumps(request.features, sort_keys=True)}"
    return f"pred:{hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()}"


@app.post("/predict", dependencies=[Depends(authenticated)])
async def predict(request: PredictionRequest) -> PredictionResponse:
    """Redis first, the model on a miss."""
    started, key = time.perf_counter(), cache_key(request)
    if remembered := await cache.get(key):
        counts["hits"] += 1
        counts["cached_s"] += time.perf_counter() - started
        return PredictionResponse(**json.loads(remembered), cached=True, model_version=VERSION)
    labels, probabilities = session.run(None, {"X": np.asarray([request.features], dtype=np.float32)})
    answer = {"prediction": int(labels[0]), "probabilities": probabilities[0].tolist()}
    await cache.setex(key, timedelta(hours=1), json.dumps(answer))
    counts["misses"] += 1
    counts["uncached_s"] += time.perf_counter() - started
    return PredictionResponse(**answer, cached=False, model_version=VERSION)


@app.get("/cache-stats", dependencies=[Depends(authenticated)])
async def cache_stats() -> dict[str, float | str]:
    """The figures of this process."""
    total = counts["hits"] + counts["misses"]
    return {
        "cache_hit_rate": counts["hits"] / total if total else 0.0,
        "total_requests": total,
        "cache_hits": counts["hits"],
        "cache_misses": counts["misses"],
        "avg_latency_cached": f"{1000 * counts['cached_s'] / max(counts['hits'], 1):.2f}ms",
        "avg_latency_uncached": f"{1000 * counts['uncached_s'] / max(counts['misses'], 1):.2f}ms",
    }


if __name__ == "__main__":
    run(app)
