"""The race: every contender started, checked and warmed up, then window after window in turn."""

import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median

from benchmarks.contenders.contender import Contender
from benchmarks.doors.door import Load, LoadFailed
from benchmarks.progress import Progress
from benchmarks.redis_server import RedisFailed, RedisProcess
from benchmarks.running import Running, Sample, ServerFailed, Window, start
from benchmarks.scenarios.scenario import Gap, Goal, Scenario
from benchmarks.workload import Workload

WARM_UP_S = 2
FAILURES = (ServerFailed, LoadFailed, OSError, subprocess.TimeoutExpired)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is measured of a server once: seconds to its first right answer, and memory then and at the end."""

    ready_s: float
    mib_at_start: float
    mib_after: float


@dataclass(frozen=True, slots=True)
class Race:
    """All of one scenario: a window per round of each contender, and why others have none."""

    scenario: Scenario
    windows: dict[str, list[Window]] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def typical(self, name: str) -> Window:
        """Each figure's median over the rounds; errors are added up."""
        rounds = self.windows[name]
        medians = {item.name: median(getattr(window, item.name) for window in rounds) for item in fields(Window)}
        return Window(**(medians | {"errors": sum(window.errors for window in rounds)}))

    def ratios(self, rival: str) -> list[float]:
        """Ours over the rival's requests per second, round by round, smallest first; empty if one was not measured."""
        return self.compared(Goal(rival, "requests_per_s", 0.0))

    def compared(self, goal: Goal | Gap) -> list[float]:
        """What the goal is about, round by round, smallest first; empty if one was not measured."""
        if not {self.scenario.ours, goal.rival} <= self.windows.keys():
            return []
        pairs = zip(self.windows[self.scenario.ours], self.windows[goal.rival], strict=True)
        return sorted(goal.compare(getattr(ours, goal.metric), getattr(other, goal.metric)) for ours, other in pairs)

    def failed(self, names: set[str]) -> bool:
        """Whether one of these was not measured, or failed a request."""
        errors = sum(window.errors for name in names for window in self.windows.get(name, []))
        return bool(errors or names & self.absent.keys())

    def reached(self, goal: Goal | Gap) -> float | None:
        """The median of that; None if one was not measured."""
        compared = self.compared(goal)
        return median(compared) if compared else None


@dataclass(frozen=True, slots=True)
class Course:
    """What every race of a run takes place with.

    ``backing`` are the Redis servers by name, ``absent`` contenders that could not be made ready, with the reason.
    """

    everyone: Mapping[str, Contender]
    workload: Workload
    backing: Mapping[str, RedisProcess]
    absent: Mapping[str, str]
    logs: Path
    rounds: int
    seconds: int
    progress: Progress


def run_race(scenario: Scenario, course: Course) -> Race:
    """Measure one scenario. Whoever does not start, or stops answering rightly, is in ``absent`` and ends nothing."""
    known = {name: course.absent[name] for name in scenario.contenders if name in course.absent}
    race = Race(scenario, absent=known)
    with ExitStack() as stack:
        _start_redis(race, course, stack)
        runners = _Runners(race, course)
        stack.callback(runners.stop)
        runners.start()
        runners.warm_up()
        for paused in scenario.paused:
            course.backing[paused].pause()
        for number in range(1, course.rounds + 1):
            runners.run_round(number)
        runners.finish()
    return race


def _start_redis(race: Race, course: Course, stack: ExitStack) -> None:
    needs = {name: course.everyone[name].needs for name in race.scenario.contenders}
    for backing in {each for some in needs.values() for each in some}:
        try:
            stack.enter_context(course.backing[backing].running(course.logs))
        except RedisFailed as error:
            race.absent.update((name, str(error)) for name, some in needs.items() if backing in some)


class _Runners:
    """Those who are still in the race."""

    def __init__(self, race: Race, course: Course) -> None:
        self._race = race
        self._course = course
        self._running: dict[str, Running] = {}

    def start(self) -> None:
        """Everyone who can be started, one after another."""
        for name in self._race.scenario.contenders:
            if name not in self._race.absent:
                self._course.progress.say(f"{self._race.scenario.name}: starting {name}")
                self._attempt(name, self._start_one)
            self._course.progress.started()

    def warm_up(self) -> None:
        """A first window that does not count."""
        for name in list(self._running):
            self._attempt(name, lambda name: self._window(name, 0, WARM_UP_S))
            self._course.progress.loaded(WARM_UP_S)

    def run_round(self, number: int) -> None:
        """A window for each; who goes first changes from round to round."""
        names = list(self._running)
        first = number % len(names) if names else 0
        for name in (*names[first:], *names[:first]):
            self._attempt(name, lambda name: self._count(name, number))
            self._course.progress.loaded(self._course.seconds)

    def finish(self) -> None:
        """Whether everyone still answers rightly, and what memory it holds."""
        for name in list(self._running):
            self._attempt(name, self._finish_one)

    def stop(self) -> None:
        """All servers."""
        for running in self._running.values():
            running.stop()

    def _attempt(self, name: str, step: Callable[[str], object]) -> None:
        try:
            step(name)
        except FAILURES as error:
            self._drop(name, str(error))

    def _drop(self, name: str, reason: str) -> None:
        self._race.absent[name] = reason
        self._race.windows.pop(name, None)
        if name in self._running:
            self._running.pop(name).stop()
        self._course.progress.say(f"{self._race.scenario.name}: {name} is not measured: {reason}")

    def _start_one(self, name: str) -> None:
        contender, scenario = self._course.everyone[name], self._race.scenario
        self._running[name] = start(contender, contender.doors[scenario.door], self._sample(name), self._course.logs)
        self._race.windows[name] = []

    def _window(self, name: str, number: int, seconds: int) -> Window:
        scenario, running = self._race.scenario, self._running[name]
        load = Load(
            rows=scenario.rows,
            connections=scenario.connections,
            seconds=seconds,
            number=number,
            distinct=scenario.distinct,
            folder=self._course.workload.folder,
        )
        return running.window(running.contender.doors[scenario.door], load)

    def _count(self, name: str, number: int) -> None:
        window = self._window(name, number, self._course.seconds)
        self._race.windows[name].append(window)
        place = f"{self._race.scenario.name} {number}/{self._course.rounds}"
        self._course.progress.say(f"{place}: {name} {window.requests_per_s:,.0f} requests/s")

    def _finish_one(self, name: str) -> None:
        running = self._running[name]
        running.check(running.contender.doors[self._race.scenario.door], self._sample(name))
        self._race.standings[name] = Standing(running.ready_s, running.mib_at_start, running.memory_mib())

    def _sample(self, name: str) -> Sample:
        return self._course.workload.sample(self._course.everyone[name].model, self._race.scenario.rows)
