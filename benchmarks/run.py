"""``make bench``: measure this server and its rivals side by side, print the table, write RESULTS.md."""

import argparse
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import orjson

from benchmarks.contenders import Contender, contenders
from benchmarks.environment import BUILD, EnvironmentFailed, installed
from benchmarks.load import LoadFailed, require_wrk
from benchmarks.process import ServerFailed
from benchmarks.race import Course, Race, run_race
from benchmarks.redis_server import RedisFailed, RedisProcess
from benchmarks.report import as_json, keep, section, surroundings, table, verdicts
from benchmarks.scenarios import SCENARIOS
from benchmarks.workload import build_workload


def tell(line: str) -> None:
    """Progress, beside the result."""
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=9, help="windows of load per server (default 9)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a window (default 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    parser.add_argument("--no-save", action="store_true", help="leave RESULTS.md as it is")
    return parser.parse_args()


def install(everyone: dict[str, Contender], names: set[str]) -> dict[str, str]:
    """Make the environments of those who take part; the versions of what everyone uses."""
    versions: dict[str, str] = {}
    for environment in {each for name in names if (each := everyone[name].environment)}:
        tell(f"environment {environment.name}: {'installed' if environment.ensure() else 'there'}")
        versions |= environment.versions()
    return versions | installed(sys.executable)


def measure(options: argparse.Namespace) -> int:
    """Run the scenarios; 1 when any request failed."""
    require_wrk()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    tell("training and converting the model")
    workload = build_workload(folder)
    backing = {name: RedisProcess() for name in ("redis", "silent")}
    everyone = contenders(workload, backing)
    course = Course(everyone, workload, backing)
    chosen = [SCENARIOS[name] for name in options.scenario or SCENARIOS]
    versions = install(everyone, {name for scenario in chosen for name in scenario.contenders})
    around = surroundings(versions)
    races: list[Race] = []
    for scenario in chosen:
        race = run_race(scenario, course, options.rounds, options.seconds, folder, tell)
        races.append(race)
        if not options.json:
            print(f"\n{scenario.title}\n\n{table(race, everyone)}\n", *verdicts(race), sep="\n", flush=True)
        if not options.no_save:
            keep(scenario.name, section(race, everyone, around, command()))
    if options.json:
        print(orjson.dumps(as_json(races, around), option=orjson.OPT_INDENT_2).decode())
    return 1 if any(race.errors for race in races) else 0


def command() -> str:
    """What was typed, with the interpreter left out."""
    return shlex.join(["python", "benchmarks/run.py", *sys.argv[1:]])


if __name__ == "__main__":
    try:
        sys.exit(measure(arguments()))
    except (EnvironmentFailed, LoadFailed, RedisFailed, ServerFailed) as error:
        sys.exit(f"bench: {error}")
