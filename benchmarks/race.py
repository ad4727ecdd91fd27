"""The race: every contender started, checked and warmed up, then window after window in turn."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

from benchmarks.contenders import Contender
from benchmarks.load import Window, put_load
from benchmarks.process import Running, start
from benchmarks.redis_server import RedisProcess
from benchmarks.scenarios import Gap, Goal, Scenario
from benchmarks.workload import Workload

WARM_UP_S = 2


@dataclass(frozen=True, slots=True)
class Race:
    """All windows of one scenario: contender's name -> one window per round."""

    scenario: Scenario
    windows: Mapping[str, list[Window]]

    def typical(self, name: str) -> Window:
        """Each figure's median over the rounds; errors are added up."""
        rounds = self.windows[name]
        medians = {item.name: median(getattr(window, item.name) for window in rounds) for item in fields(Window)}
        return Window(**(medians | {"errors": sum(window.errors for window in rounds)}))

    def ratios(self, rival: str, metric: str = "requests_per_s") -> list[float]:
        """Ours over the rival's, round by round, smallest first."""
        return self.compared(Goal(rival, metric, 0.0))

    def compared(self, goal: Goal | Gap) -> list[float]:
        """What the goal is about, round by round, smallest first."""
        pairs = zip(self.windows[self.scenario.ours], self.windows[goal.rival], strict=True)
        return sorted(goal.compare(getattr(ours, goal.metric), getattr(other, goal.metric)) for ours, other in pairs)

    def reached(self, goal: Goal | Gap) -> float:
        """The median of that."""
        return median(self.compared(goal))

    @property
    def errors(self) -> int:
        """Failed requests of all."""
        return sum(window.errors for rounds in self.windows.values() for window in rounds)


@dataclass(frozen=True, slots=True)
class Course:
    """What every race of a run takes place with: the contenders, what they serve, and the Redis servers by name."""

    everyone: Mapping[str, Contender]
    workload: Workload
    backing: Mapping[str, RedisProcess]


def run_race(
    scenario: Scenario,
    course: Course,
    rounds: int,
    seconds: int,
    logs: Path,
    tell: Callable[[str], None],
) -> Race:
    """Measure one scenario.

    Raises:
        ServerFailed, LoadFailed: somebody does not start, answers wrongly, or wrk fails.
    """
    everyone, workload = course.everyone, course.workload
    with ExitStack() as stack:
        for name in {each for one in scenario.contenders for each in everyone[one].needs}:
            stack.enter_context(course.backing[name].running(logs))
        running: list[Running] = []
        for name in scenario.contenders:
            tell(f"{scenario.name}: starting {name}")
            running.append(start(everyone[name], workload, scenario.rows, logs))
            stack.callback(running[-1].stop)
        for server in running:
            tell(f"{scenario.name}: warming up {server.contender.name}")
            put_load(server, scenario, workload, 0, WARM_UP_S)
        for name in scenario.paused:
            course.backing[name].pause()
        windows: dict[str, list[Window]] = {name: [] for name in scenario.contenders}
        for number in range(1, rounds + 1):
            for server in running:
                window = put_load(server, scenario, workload, number, seconds)
                windows[server.contender.name].append(window)
                tell(f"{scenario.name} {number}/{rounds}: {server.contender.name} {window.requests_per_s:,.0f}/s")
        for server in running:
            server.check(workload, scenario.rows)
    return Race(scenario, windows)
