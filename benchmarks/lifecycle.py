"""``python benchmarks/lifecycle.py``: what versions that come, go and stand side by side cost the requests beside them.

Three questions. What does routing cost each request? How much slower are answers while a model of 100 MB is reloaded
every two seconds? What do copies to a shadow cost while cores are free, and how many are dropped when none is?
Requests leave at a fixed rate whether the ones before are answered or not, so a stall is seen by all it holds up.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Self

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import structlog

from app.registry.repository import Repository
from app.routing.plan import WHOLE, Plan, Traffic
from app.routing.router import KIND, Router
from app.state.memory import MemoryState
from benchmarks.environment import installed
from benchmarks.report import keep
from benchmarks.surroundings import provenance, surroundings
from tests.client import message
from tests.models import heavy, linear
from tests.open_loop import OpenLoop, Tally
from tests.servers import Server

CONNECTIONS = 64
MEGABYTES = 100
RELOAD_EVERY_S = 2.0
BUSY = 12.0
"""How many times the even rate leaves no core free: the workers' share and the client's fill two."""


def routing_us(turns: int = 100_000) -> dict[str, float]:
    """Microseconds that finding the version of a request takes, in this process."""
    with TemporaryDirectory() as folder:
        state = MemoryState(Path(folder))
        router = Router(state, structlog.wrap_logger(structlog.ReturnLogger()))
        split = {"v1": 9000, "v2": 1000}
        for model, plan in {
            "by weight": Plan(split, "request"),
            "sticky": Plan(split, "header", salt="colours", variants={"v1": "blue", "v2": "green"}),
            "sticky, with a shadow": Plan(split, "header", salt="colours", shadow={"v3": WHOLE}),
        }.items():
            state.swap(KIND, model, 0, Traffic(plan).dump())
        router.refresh()
        models = ("no plan", "by weight", "sticky", "sticky, with a shadow")
        return {model: min(_route_us(router, model, turns // 5) for _ in range(5)) for model in models}


def _route_us(router: Router, model: str, turns: int) -> float:
    headers = {"x-unit-id": "customer-1234567"}
    began = time.perf_counter()
    for _ in range(turns):
        unit = router.unit(model, lambda: None, headers.get)
        router.choose(model, unit, None)
    return (time.perf_counter() - began) / turns * 1e6


def ask(number: int) -> bytes:
    """A row for the model under load; every one another."""
    return message("POST", "/v1/models/shop/predict", {"features": [number % 9973]}, {"Connection": "keep-alive"})


@contextmanager
def server(repository: Repository, folder: Path) -> Iterator[Server]:
    """Two workers around nothing, no cache: every answer is computed."""
    with Server(folder, {"WEB_CONCURRENCY": "2", "SLUICE_CACHE": "off"}, repository.root) as running:
        yield running


class Reloads:
    """Puts another file of a version in place of the last one, again and again."""

    def __init__(self, folder: Path, others: list[Path]) -> None:
        self._folder = folder
        self._others = others
        self._ending = Event()
        self._thread = Thread(target=self._swap_forever)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _swap_forever(self) -> None:
        while not self._ending.wait(RELOAD_EVERY_S):
            going, coming = sorted(self._others, key=Path.exists)
            self._folder.rename(going)
            coming.rename(self._folder)
            self.count += 1


def reload_figures(seconds: float, rounds: int, rate: float) -> dict[str, float]:
    """Windows without and with reloads in turn: their medians, and what was lost."""
    found: dict[str, list[float]] = {"quiet_p99_ms": [], "reload_p99_ms": [], "lost": [], "reloads": []}
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        repository, spare = Repository(root / "models"), Repository(root / "spare")
        folder = heavy(MEGABYTES, "shop").add(repository)
        other = heavy(MEGABYTES, "shop", bias=1.0).add(spare)
        with server(repository, root / "server") as running:

            def load() -> Tally:
                return OpenLoop(running.port, ask, rate, CONNECTIONS).run(seconds)

            load()
            for _ in range(rounds):
                quiet = load()
                with Reloads(folder, [other, root / "going"]) as reloads:
                    busy = load()
                found["quiet_p99_ms"].append(quiet.percentile(200, 0.99) * 1000)
                found["reload_p99_ms"].append(busy.percentile(200, 0.99) * 1000)
                found["lost"].append(_lost(quiet) + _lost(busy))
                found["reloads"].append(running.log.count('"event":"model_loaded"') / 2 - 1)
                assert reloads.count
    return {name: median(values) for name, values in found.items()} | {
        "lost": sum(found["lost"]),
        "reloads": max(found["reloads"]),
    }


def _lost(tally: Tally) -> int:
    return sum(status != 200 for status, _, _ in tally.answers)


def shadow_figures(seconds: float, rounds: int, rate: float) -> dict[str, float]:
    """Without and with copies of everything: p50 and answers per second at an even rate, and where no core is free.

    ``shed`` is the share of copies that was dropped.
    """
    found: dict[str, list[float]] = {}
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        repository = Repository(root / "models")
        for version in ("v1", "v2"):
            linear((1.0,), name="shop", version=version).add(repository)
        with server(repository, root / "server") as running:
            for copies in (0, 100) * rounds:
                _plan(running, copies)
                for load, at in (("even", rate), ("full", rate * BUSY)):
                    dropped = _dropped(running)
                    tally = OpenLoop(running.port, ask, at, CONNECTIONS).run(seconds)
                    time.sleep(1)
                    figures = {
                        "p50_ms": tally.percentile(200, 0.5) * 1000,
                        "per_s": len(tally.seconds(200)) / seconds,
                        "shed": (_dropped(running) - dropped) / len(tally.answers),
                    }
                    for name, value in figures.items():
                        found.setdefault(f"{load}_{copies}_{name}", []).append(value)
    return {name: median(values) for name, values in found.items()}


def _plan(running: Server, copies: int) -> None:
    body = {"weights": {"v1": 100}, "unit": "request", "shadow": {"v2": copies} if copies else {}}
    answer = running.send(message("PUT", "/v1/models/shop/traffic", body))
    assert answer.status == 200, answer.body
    time.sleep(2.5)


def _dropped(running: Server) -> float:
    lines = running.get("/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('sluice_dropped_total{what="shadow"'))


def told(routing: Mapping[str, float], reload: Mapping[str, float], shadow: Mapping[str, float]) -> list[str]:
    """A line for each goal."""
    p99, p50 = reload["reload_p99_ms"] / reload["quiet_p99_ms"], shadow["even_100_p50_ms"] / shadow["even_0_p50_ms"]
    costs = ", ".join(f"{name} {value:.2f}" for name, value in routing.items())
    reloading = f"{reload['quiet_p99_ms']:.2f} to {reload['reload_p99_ms']:.2f} ms"
    copying = f"{shadow['even_0_p50_ms']:.2f} to {shadow['even_100_p50_ms']:.2f} ms"
    full = f"{shadow['full_100_per_s']:,.0f} answers/s with them, {shadow['full_0_per_s']:,.0f} without"
    full += f", p50 {shadow['full_100_p50_ms']:.2f} and {shadow['full_0_p50_ms']:.2f} ms"
    return [
        f"- {_word(max(routing.values()) <= 5)}: routing costs a request at most 5 us; measured {costs}",
        (
            f"- {_word(p99 <= 2)}: p99 at most doubles while {MEGABYTES} MB are loaded every {RELOAD_EVERY_S:g} s;"
            f" {p99:.2f} times, from {reloading} ({reload['reloads']:.0f} reloads)"
        ),
        f"- {_word(reload['lost'] == 0)}: no request is lost; {reload['lost']:.0f} were",
        f"- {_word(p50 <= 1.1)}: copies of everything cost p50 at most 10 %; {p50:.2f} times, from {copying}",
        (
            f"- while cores are free {shadow['even_100_shed']:.0%} of the copies are shed,"
            f" {shadow['full_100_shed']:.0%} where none is: {full}"
        ),
    ]


def _word(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def main() -> None:
    """Measure, print, keep a section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each window")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second")
    parser.add_argument("--note", default="", help="put before the figures, for example on what else ran")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    asked = parser.parse_args()
    around = surroundings(installed(sys.executable), os.getloadavg()[0])
    how = asked.seconds, asked.rounds, asked.rate
    lines = told(routing_us(), reload_figures(*how), shadow_figures(*how))
    print("\n".join(lines))
    if not asked.no_write:
        command = f"python benchmarks/lifecycle.py --rounds {asked.rounds} --seconds {asked.seconds:g}"
        setup = f"`{command}`: {asked.rate:g} requests/s at an even rate, 2 workers, median of {asked.rounds} rounds."
        parts = ["## Versions that come, go and stand side by side", setup, asked.note, provenance(around)]
        keep("lifecycle", "\n\n".join([*filter(None, parts), "\n".join(lines)]))


if __name__ == "__main__":
    main()
