"""Watch a canary for a while; the exit code tells a pipeline how it went.

python scripts/monitor_canary.py --duration 30m --min-success-rate 99 --max-latency-p95 100

0: it holds. 1: it failed, or was rolled back. 2: too few requests to tell. 3: the server cannot be asked.
"""

import argparse
import re
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.commands.remote import RemoteFailed
from config.invalid import ConfigInvalid
from scripts.rollouts.target import Target, environment_of, heaviest, read_deployment

HELD, FAILED, UNKNOWN, AWAY = 0, 1, 2, 3
UNITS = {"s": 1, "m": 60, "h": 3600}


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError("write 90s, 30m or 2h")
    return float(match[1]) * UNITS[match[2]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=_seconds, required=True)
    parser.add_argument("--min-success-rate", type=float, default=99.0, help="percent")
    parser.add_argument("--max-latency-p95", type=float, default=100.0, help="milliseconds")
    parser.add_argument("--min-requests", type=int, default=50)
    parser.add_argument("--interval", type=_seconds, default=5.0)
    parser.add_argument("--environment", help="else the first in config/deployment.yaml")
    parser.add_argument("--model")
    return parser.parse_args()


def _canary(target: Target) -> str | None:
    """The version with least traffic, of equals the one named last; None when one has it all."""
    weights = target.traffic()["weights"]
    return None if len(weights) == 1 else min(reversed(list(weights)), key=lambda version: weights[version])


def _verdict(arm: dict[str, Any], told: argparse.Namespace) -> tuple[int, str]:
    requests, errors, p95 = arm["requests"], arm["errors"], arm["latency_p95_ms"]
    if requests < told.min_requests:
        return UNKNOWN, f"{requests} requests, {told.min_requests} are needed"
    rate = 100 * (requests - errors) / requests
    pace = "no p95 (no answer was computed)" if p95 is None else f"p95 {p95} ms"
    shown = f"{requests} requests, {rate:.2f} % answered, {pace}"
    good = rate >= told.min_success_rate and (p95 is None or p95 <= told.max_latency_p95)
    return HELD if good else FAILED, shown


def _watch(target: Target, told: argparse.Namespace) -> int:
    """Until the time is over, or it has failed; a canary that is gone was promoted, or rolled back."""
    canary = _canary(target)
    if canary is None:
        print(f"{target.model}: no version shares traffic with another")
        return UNKNOWN
    end, code = monotonic() + told.duration, UNKNOWN
    while True:
        arm = target.arms().get(canary)
        if arm is None:
            weights = target.traffic()["weights"]
            print(f"{target.model} {canary}: has no traffic any more; {heaviest(weights)} answers")
            return FAILED
        code, shown = _verdict(arm, told)
        print(f"{target.model} {canary}: {shown}", flush=True)
        if code == FAILED or monotonic() >= end:
            return code
        if len(target.traffic()["weights"]) == 1:
            return HELD if arm["version"] == heaviest(target.traffic()["weights"]) else FAILED
        sleep(min(told.interval, max(0.0, end - monotonic())))


def main() -> None:
    """Ask, print, decide."""
    told = _arguments()
    try:
        target = Target(environment_of(read_deployment(), told.environment), told.model)
        code = _watch(target, told)
    except (RemoteFailed, ConfigInvalid) as error:
        print(f"monitor_canary: {error}", file=sys.stderr)
        code = AWAY
    raise SystemExit(code)


if __name__ == "__main__":
    main()
