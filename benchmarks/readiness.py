"""Before the race: models are made, environments installed, and whoever needs it is prepared."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.contenders.contender import Contender
from benchmarks.environment import Environment, EnvironmentFailed, installed
from benchmarks.running import ServerFailed, prepare
from benchmarks.workload import Workload


@dataclass(frozen=True, slots=True)
class Ready:
    """Versions of what everyone uses, and who cannot take part, with the reason."""

    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def make_ready(everyone: Iterable[Contender], workload: Workload) -> Ready:
    """Nothing that goes wrong with a rival ends the run."""
    everyone, ready = list(everyone), Ready()
    for model in dict.fromkeys(contender.model for contender in everyone):
        _tell(f"making the model {model}")
        workload.build(model)
    failed = {each: _install(each, ready) for each in dict.fromkeys(one.environment for one in everyone) if each}
    ready.versions.update(installed(sys.executable))
    for contender in everyone:
        reason = failed.get(contender.environment, "") if contender.environment else ""
        reason = reason or _prepare(contender, workload)
        if reason:
            _tell(f"{contender.name} is not measured: {reason}")
            ready.absent[contender.name] = reason
    return ready


def _install(environment: Environment, ready: Ready) -> str:
    """The reason why not, or nothing."""
    _tell(f"environment {environment.name}")
    try:
        environment.ensure()
    except EnvironmentFailed as error:
        return f"could not be installed: {str(error)[-300:]}"
    ready.versions.update(environment.versions())
    return ""


def _prepare(contender: Contender, workload: Workload) -> str:
    try:
        prepare(contender, workload.folder)
    except (ServerFailed, OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
