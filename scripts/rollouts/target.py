"""An environment of ``config/deployment.yaml`` as a server to talk to."""

import os
from pathlib import Path
from typing import Any

from app.commands.remote import Remote, RemoteFailed
from config.deployment import Deployment, Environment, load_deployment


class Target:
    """A server, and the model that a deployment is about."""

    def __init__(self, environment: Environment, model: str | None = None) -> None:
        key = environment.key_variable
        self.remote = Remote(environment.url, os.environ.get(key), "the url in the deployment file", key)
        self.model = model or environment.model or self._default_model()
        self.root = f"/v1/models/{self.model}"

    def _default_model(self) -> str:
        name = self.remote.get("/v1/models")["default_model"]
        if name is None:
            raise RemoteFailed("the server has no default model; name one with --model")
        return str(name)

    def served(self) -> list[str]:
        """Versions that the server serves, oldest first."""
        versions = self.remote.get(self.root)["versions"]
        return [item["version"] for item in versions if item["state"] == "served"]

    def traffic(self) -> Any:
        """The plan in force."""
        return self.remote.get(f"{self.root}/traffic")

    def arms(self) -> dict[str, Any]:
        """What each version did under the plan, by version."""
        return {arm["version"]: arm for arm in self.remote.get(f"{self.root}/experiment")["arms"]}

    def rollouts(self) -> Any:
        """The rollout that runs, and those before."""
        return self.remote.get(f"{self.root}/rollouts")


def read_deployment() -> Deployment:
    """The deployment file that the server uses, too.

    Raises:
        ConfigInvalid
    """
    return load_deployment(Path(os.environ.get("SLUICE_DEPLOYMENT_FILE") or "config/deployment.yaml"))


def environment_of(deployment: Deployment, name: str | None) -> Environment:
    """The named environment, the first one when none is named.

    Raises:
        RemoteFailed: there is none of that name.
    """
    known = deployment.environments
    if name is None and known:
        return next(iter(known.values()))
    if name not in known:
        raise RemoteFailed(f"config/deployment.yaml has no environment {name!r}; it has {', '.join(known) or 'none'}")
    return known[name]


def heaviest(weights: dict[str, float]) -> str:
    """The version with most traffic."""
    return max(weights, key=lambda version: weights[version])
