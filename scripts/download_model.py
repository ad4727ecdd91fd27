"""Get a version of a model out of the registry that config/deployment.yaml names.

python scripts/download_model.py --model-name churn_predictor --version latest
python scripts/download_model.py --model-name churn_predictor --version @champion --registry mlflow+http://mlflow:5000

MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, log in to MLflow.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.errors import ModelRefused
from app.registry.intake import IntakeRefused
from config.invalid import ConfigInvalid
from scripts.rollouts.download import download, source_of
from scripts.rollouts.target import read_deployment
from scripts.rollouts.web import DownloadFailed


def main() -> None:
    """Download, verify, say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--version", default="latest", help="latest, one by name, or an alias of MLflow as @champion")
    parser.add_argument("--output", type=Path, default=Path("model"), help="a model repository to put it into")
    parser.add_argument(
        "--registry", help="a folder, http(s)://..., or mlflow+http(s)://...; else config/deployment.yaml's"
    )
    told = parser.parse_args()
    try:
        source = source_of(told.registry or read_deployment().registry)
        manifest = download(source, told.model_name, told.version, told.output)
    except FileExistsError as error:
        raise SystemExit(f"download_model: {error} is there already; versions do not change") from None
    except (DownloadFailed, IntakeRefused, ModelRefused, ConfigInvalid, OSError) as error:
        raise SystemExit(f"download_model: {error}") from None
    print(told.output / manifest.name / manifest.version)


if __name__ == "__main__":
    main()
