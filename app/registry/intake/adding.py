"""Writing a version so that it is there whole and works, or is not there."""

from pathlib import Path

from app.errors import ModelRefused
from app.registry.intake.assembly import Intake
from app.registry.intake.options import IntakeRefused
from app.registry.loading import RuntimeLoader, load_version
from app.registry.repository import Repository
from app.runtimes.base import RuntimeFailed

_RANDOM = ". A model that draws random numbers cannot be checked; export it for inference."


def add_version(repository: Repository, intake: Intake, load_runtime: RuntimeLoader) -> Path:
    """Write the version, then read it back, load and verify it; its folder. What fails is taken away again.

    Raises:
        IntakeRefused: the version exists, the folder cannot be written, or what was written does not verify.
    """
    manifest = intake.manifest
    try:
        folder = repository.add(manifest, intake.model, intake.external)
    except FileExistsError:
        raise IntakeRefused(
            f"{manifest.name} {manifest.version} is already there and versions never change; choose another --version."
        ) from None
    except OSError as error:
        raise IntakeRefused(f"The model repository cannot be written: {error.strerror}.") from None
    try:
        load_version(repository, load_runtime, manifest.name, manifest.version)
    except (ModelRefused, RuntimeFailed) as error:
        repository.remove(manifest.name, manifest.version)
        advice = _RANDOM if str(error).startswith("golden row") else ""
        raise IntakeRefused(f"Written, but not what was meant, and taken away again: {error}{advice}") from None
    return folder
