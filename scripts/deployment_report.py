"""Write what a deployment did: versions side by side, and what the judge decided. Markdown, and HTML with charts.

python scripts/deployment_report.py --environment staging --output deployment-report
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.commands.remote import RemoteFailed
from config.invalid import ConfigInvalid
from scripts.rollouts.report import events_of, html, markdown, rows_of
from scripts.rollouts.target import Target, environment_of, read_deployment


def main() -> None:
    """Ask, write two files, say where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", help="else the first in config/deployment.yaml")
    parser.add_argument("--model")
    parser.add_argument("--output", type=Path, default=Path("deployment-report"), help="path without an ending")
    told = parser.parse_args()
    try:
        target = Target(environment_of(read_deployment(), told.environment), told.model)
        traffic, arms, rollouts = target.traffic(), target.arms(), target.rollouts()
        title = f"Deployment of {target.model}, generation {traffic['generation']}"
        rollout = rollouts["running"] or next(iter(rollouts["history"]), None)
        rows, events = rows_of(traffic, arms), events_of(rollout)
        Path(f"{told.output}.md").write_text(markdown(title, rows, events))
        Path(f"{told.output}.html").write_text(html(title, rows, events, arms))
    except (RemoteFailed, ConfigInvalid, OSError) as error:
        raise SystemExit(f"deployment_report: {error}") from None
    print(f"{told.output}.md {told.output}.html")


if __name__ == "__main__":
    main()
