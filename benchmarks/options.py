"""The command line of the benchmark, and what it can tell of itself."""

import argparse

from benchmarks.scenarios import SCENARIOS

ROUNDS, SECONDS = 7, 2
EXAMPLES = """\
examples:
  make bench                                              everything: about 20 minutes on two cores, more the first time
  make bench ARGS="--list"                                what can be measured, and what is wanted
  make bench ARGS="--scenario one_row --rounds 9"         one scenario, more rounds
  make bench ARGS="--scenario v2_json --rounds 1 --seconds 1 --no-save"   whether it works

A rival that cannot be installed or started is named in the table with the reason. The exit status is 1 when a request
to this server failed or it could not be measured. Let nothing else run on the machine meanwhile.
"""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Races this server against its rivals, window after window in turn, on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    only = "only this one, by its name in --list; may be repeated"
    parser.add_argument("--list", action="store_true", help="show the scenarios with their goals, and stop")
    parser.add_argument("--scenario", choices=SCENARIOS, metavar="NAME", action="append", help=only)
    parser.add_argument("--rounds", type=_positive, default=ROUNDS, help=f"windows per server (default {ROUNDS})")
    parser.add_argument("--seconds", type=_positive, default=SECONDS, help=f"length of a window (default {SECONDS})")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    parser.add_argument("--no-save", action="store_true", help="leave RESULTS.md and the charts as they are")
    return parser.parse_args()


def listing() -> str:
    """Every scenario: its title, who takes part, what is wanted."""
    lines = []
    for name, scenario in SCENARIOS.items():
        lines += [f"{name}: {scenario.title}", f"    {', '.join(scenario.contenders)}"]
        lines += [f"    wanted of {scenario.ours}: {goal.words(goal.rival)}" for goal in scenario.goals]
    return "\n".join(lines)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
