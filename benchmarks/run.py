"""``make bench``: measure this server and its rivals side by side; tables here, charts and sections in RESULTS.md."""

import argparse
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson

from benchmarks.contenders import contenders
from benchmarks.doors.door import LoadFailed
from benchmarks.doors.http import require_wrk
from benchmarks.environment import BUILD
from benchmarks.options import arguments, listing
from benchmarks.progress import Progress
from benchmarks.race import WARM_UP_S, Course, Race, run_race
from benchmarks.readiness import make_ready
from benchmarks.redis_server import RedisProcess
from benchmarks.report import as_json, keep_goals, save, table, verdicts
from benchmarks.scenarios import SCENARIOS
from benchmarks.surroundings import surroundings
from benchmarks.workload import Workload


def measure(options: argparse.Namespace) -> int:
    """Run the scenarios; 1 when a request to this server failed or it was not measured."""
    require_wrk()
    load_average = os.getloadavg()[0]
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    workload = Workload(folder)
    backing = {name: RedisProcess() for name in ("redis", "silent")}
    everyone = contenders(workload, backing)
    chosen = [SCENARIOS[name] for name in options.scenario or SCENARIOS]
    taking_part = list(dict.fromkeys(name for scenario in chosen for name in scenario.contenders))
    ready = make_ready([everyone[name] for name in taking_part], workload)
    around = surroundings(ready.versions, load_average)
    progress = Progress(sum(len(one.contenders) for one in chosen), options.rounds, options.seconds, WARM_UP_S)
    course = Course(everyone, workload, backing, ready.absent, folder, options.rounds, options.seconds, progress)
    races: list[Race] = []
    for scenario in chosen:
        race = run_race(scenario, course)
        races.append(race)
        if not options.json:
            print(
                f"\n{scenario.title}\n\n{table(race, everyone)}\n", *verdicts(race, everyone), "", sep="\n", flush=True
            )
        if not options.no_save:
            save(race, everyone, around, command(), options.rounds)
    if not (options.no_save or options.scenario):
        keep_goals(races, everyone, around, command())
    if options.json:
        print(orjson.dumps(as_json(races, around), option=orjson.OPT_INDENT_2).decode())
    ours = {name for name, contender in everyone.items() if contender.ours}
    return 1 if any(race.failed(ours) for race in races) else 0


def command() -> str:
    """What was typed."""
    return "make bench" if not sys.argv[1:] else f'make bench ARGS="{shlex.join(sys.argv[1:])}"'


def main() -> int:
    """The command line."""
    options = arguments()
    if options.list:
        print(listing())
        return 0
    try:
        return measure(options)
    except LoadFailed as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    sys.exit(main())
