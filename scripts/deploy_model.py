"""Give a version of a model traffic in an environment: some percent beside the stable one, or all at once.

python scripts/deploy_model.py --environment staging --image registry/churn:abc --traffic-percent 10
python scripts/deploy_model.py --environment production --image registry/churn:abc --strategy blue-green
"""

import argparse
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.commands.remote import RemoteFailed
from config.deployment import Environment
from config.invalid import ConfigInvalid
from scripts.rollouts.target import Target, environment_of, heaviest, may_pass, read_deployment

NOT_FOUND = 404
"""What a model is until its first version is loaded."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", required=True, help="a name in config/deployment.yaml")
    parser.add_argument("--image", required=True, help="what was built; brought there by the environment's command")
    parser.add_argument("--strategy", choices=["canary", "blue-green"], default="canary")
    parser.add_argument("--traffic-percent", type=float, default=None, help="10 for a canary, 100 for blue-green")
    parser.add_argument("--model", help="else the environment's, else the server's default model")
    parser.add_argument("--version", help="else the newest that the server serves")
    parser.add_argument("--wait", type=float, default=300, help="seconds for the version to be served")
    return parser.parse_args()


def _awaited(environment: Environment, told: argparse.Namespace) -> tuple[Target, str]:
    """The server, once it serves the version to deploy; it may just be starting with what was brought."""
    end, said = monotonic() + told.wait, ""
    while True:
        try:
            target = Target(environment, told.model)
            served = target.served()
            if served and told.version in (None, *served):
                return target, told.version or served[-1]
            late = RemoteFailed(f"{told.version or 'any version'} of {target.model} is not served")
        except RemoteFailed as error:
            if error.status != NOT_FOUND and not may_pass(error):
                raise
            late = error
        if monotonic() > end:
            raise RemoteFailed(f"after {told.wait:g} s: {late}")
        if said != (said := str(late)):
            print(f"deploy_model: waiting: {late}", file=sys.stderr)
        sleep(1)


def _plan(target: Target, held: Any, version: str, percent: float) -> dict[str, Any]:
    """The plan in force with other weights."""
    others = {name: share for name, share in held["weights"].items() if name != version}
    if percent < 100 and not others and len(target.served()) > 1:
        raise RemoteFailed(
            f"{version} answers everything already and can be no canary; give another version its traffic first"
        )
    weights = {heaviest(others): 100 - percent, version: percent} if percent < 100 and others else {version: 100}
    return {"weights": weights, **{name: held[name] for name in ("unit", "header", "experiment")}}


def main() -> None:
    """Bring the image, wait for the version, shift the traffic."""
    told = _arguments()
    percent = told.traffic_percent
    if percent is None:
        percent = 100 if told.strategy == "blue-green" else 10
    if not 0 < percent <= 100 or (told.strategy == "blue-green" and percent != 100):
        raise SystemExit("--traffic-percent: more than 0, at most 100; blue-green gives 100 or nothing")
    try:
        environment = environment_of(read_deployment(), told.environment)
        if environment.command:
            subprocess.run([word.replace("{image}", told.image) for word in environment.command], check=True)
        target, version = _awaited(environment, told)
        held = target.traffic()
        plan = _plan(target, held, version, percent) | {"note": f"{told.strategy} of {told.image}"[:200]}
        after = target.remote.put(f"{target.root}/traffic", plan, held["generation"])
    except (RemoteFailed, ConfigInvalid, OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"deploy_model: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    shares = ", ".join(f"{name} {share:g} %" for name, share in after["weights"].items())
    print(f"{told.environment}: {target.model} {shares} (generation {after['generation']}, {told.image})")


if __name__ == "__main__":
    main()
