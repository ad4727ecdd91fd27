"""Services that remember: one on FastAPI, made complete by hand, and this server's cache under trial."""

from benchmarks.contenders.contender import RIVALS, Contender
from benchmarks.contenders.handwritten import ENVIRONMENT, of_rival
from benchmarks.contenders.sluice import KEY, sluice
from benchmarks.doors.dialects import ONE
from benchmarks.doors.http import HttpDoor
from benchmarks.workload import Workload

WITHOUT = {"SLUICE_CACHE": "off"}


def caching(workload: Workload, redis: str, silent: str) -> tuple[Contender, ...]:
    """``silent`` is the Redis that is stopped while the load lasts."""
    far = {"SLUICE_DEPLOYMENT_FILE": str(workload.deployment("far-only", "trees", "cache: {l1: off, l2: on}\n"))}
    near, gone = {**far, "SLUICE_REDIS_URL": redis}, {**far, "SLUICE_REDIS_URL": silent}
    return (
        _complete(workload, redis, "cached_fastapi", "FastAPI complete: cache, key, limit, metrics"),
        _complete(workload, redis, "lean_fastapi", "the same, its log line from plain ASGI", BENCH_LEAN="1"),
        sluice(workload, "costly", "Sluice", model="slow"),
        sluice(workload, "costly_uncached", "Sluice, SLUICE_CACHE=off", WITHOUT, model="slow"),
        sluice(workload, "far", "Redis is well", near, needs=("redis",)),
        sluice(workload, "far_silent", "Redis is stopped", gone, needs=("silent",)),
    )


def _complete(workload: Workload, redis: str, name: str, title: str, **more: str) -> Contender:
    return Contender(
        name,
        title,
        ("cached_fastapi.py",),
        {"one": HttpDoor("/predict", ONE, {"X-API-Key": KEY})},
        folder=RIVALS,
        environment=ENVIRONMENT,
        variables={**of_rival(workload, "trees", name), "BENCH_REDIS_URL": redis, "BENCH_API_KEY": KEY, **more},
        needs=("redis",),
    )
