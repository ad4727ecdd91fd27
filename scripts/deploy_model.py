"""Give a version of a model traffic in an environment: some percent beside the stable one, or all at once.

python scripts/deploy_model.py --environment staging --image registry/churn:abc --traffic-percent 10
python scripts/deploy_model.py --environment production --image registry/churn:abc --strategy blue-green
"""

import argparse
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.commands.remote import RemoteFailed
from config.invalid import ConfigInvalid
from scripts.rollouts.target import Target, environment_of, heaviest, read_deployment


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


def _await_version(target: Target, version: str | None, seconds: float) -> str:
    """The version to deploy, once it is served."""
    end = monotonic() + seconds
    while True:
        served = target.served()
        if served and (version is None or version in served):
            return version or served[-1]
        if monotonic() > end:
            raise RemoteFailed(f"{version or 'no version'} of {target.model} was not served within {seconds:g} s")
        sleep(1)


def _weights(target: Target, version: str, percent: float) -> dict[str, float]:
    held = target.traffic()["weights"]
    others = {name: share for name, share in held.items() if name != version}
    if percent == 100 or not others:
        return {version: 100}
    return {heaviest(others): 100 - percent, version: percent}


def main() -> None:
    """Bring the image, wait for the version, shift the traffic."""
    told = _arguments()
    percent = told.traffic_percent or (100 if told.strategy == "blue-green" else 10)
    if not 0 < percent <= 100 or (told.strategy == "blue-green" and percent != 100):
        raise SystemExit("--traffic-percent: more than 0, at most 100; blue-green gives 100 or nothing")
    try:
        environment = environment_of(read_deployment(), told.environment)
        if environment.command:
            subprocess.run([word.replace("{image}", told.image) for word in environment.command], check=True)
        target = Target(environment, told.model)
        version = _await_version(target, told.version, told.wait)
        plan = {"weights": _weights(target, version, percent), "note": f"{told.strategy} of {told.image}"[:200]}
        after = target.remote.put(f"{target.root}/traffic", plan, target.traffic()["generation"])
    except (RemoteFailed, ConfigInvalid, OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"deploy_model: {error}") from None
    shares = ", ".join(f"{name} {share:g} %" for name, share in after["weights"].items())
    print(f"{told.environment}: {target.model} {shares} (generation {after['generation']}, {told.image})")


if __name__ == "__main__":
    main()
