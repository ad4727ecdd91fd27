"""Gets a version of a model out of a registry and puts it into a model repository, whole or not at all.

A registry is a folder laid out like ``models/``, the same behind http(s), where ``<name>/versions.json`` lists the
versions, oldest first, or an MLflow server. Whatever comes is checked against the digests of its manifest.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from app.registry.intake import take_in
from app.registry.intake.options import Options
from app.registry.manifest import NAME, Manifest
from app.registry.manifest_file import parse_manifest
from app.registry.repository import MANIFEST_FILE, MAX_MANIFEST_BYTES, MAX_WEIGHTS_BYTES, MODEL_FILE, Repository
from app.runtimes.onnx import OnnxRuntime
from scripts.rollouts.mlflow import MlflowRegistry
from scripts.rollouts.web import DownloadFailed, Website, credentials


class Source(Protocol):
    """A registry of versions that have a manifest."""

    def choose(self, name: str, version: str) -> str:
        """The version that is meant, ``latest`` being the newest.

        Raises:
            DownloadFailed: there is none.
        """
        ...

    def read(self, name: str, version: str, file: str, limit: int) -> bytes:
        """One file of a version.

        Raises:
            DownloadFailed
        """
        ...


class FolderSource:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self._repository = Repository(root)

    def choose(self, name: str, version: str) -> str:
        """See ``Source.choose``."""
        versions = list(self._repository.versions())
        models = list(dict.fromkeys(model for model, _ in versions))
        if name not in models:
            held = ", ".join(models) or "no model at all"
            raise DownloadFailed(
                f"{self._repository.root} holds {held}, and no {name}; name another place with --registry, or in the"
                " deployment file"
            )
        return _chosen(name, version, [it for model, it in versions if model == name])

    def read(self, name: str, version: str, file: str, limit: int) -> bytes:
        """See ``Source.read``."""
        path = self._repository.root / name / version / file
        try:
            if path.stat().st_size > limit:
                raise DownloadFailed(f"{path} is larger than {limit} bytes")
            return path.read_bytes()
        except OSError as error:
            raise DownloadFailed(f"{name}/{version}/{file}: {error.strerror}") from None


class HttpSource:
    """An address that serves such a folder."""

    def __init__(self, site: Website) -> None:
        self._site = site

    def choose(self, name: str, version: str) -> str:
        """See ``Source.choose``."""
        try:
            known = [str(it) for it in json.loads(self._site.get(f"{name}/versions.json", MAX_MANIFEST_BYTES))]
        except (ValueError, TypeError):
            raise DownloadFailed(f"{name}/versions.json is no list of versions") from None
        return _chosen(name, version, known)

    def read(self, name: str, version: str, file: str, limit: int) -> bytes:
        """See ``Source.read``."""
        return self._site.get(f"{name}/{version}/{file}", limit)


class MlflowSource:
    """A registered model of MLflow whose artifacts are a folder that this project made."""

    def __init__(self, registry: MlflowRegistry) -> None:
        self.registry = registry

    def choose(self, name: str, version: str) -> str:
        """See ``Source.choose``; the version is MLflow's number."""
        return self.registry.number(name, version)

    def read(self, name: str, version: str, file: str, limit: int) -> bytes:
        """See ``Source.read``."""
        return self.registry.read(name, version, file, limit)


def source_of(address: str) -> Source:
    """The registry that an address stands for."""
    if address.startswith(("mlflow+http://", "mlflow+https://")):
        return MlflowSource(MlflowRegistry(Website(address.removeprefix("mlflow+"), credentials(os.environ))))
    if address.startswith(("http://", "https://")):
        return HttpSource(Website(address))
    return FolderSource(Path(address))


def download(source: Source, name: str, version: str, to: Path) -> Manifest:
    """Put a version into the repository ``to``; ``latest`` is the newest one.

    What MLflow logged as an ONNX model has no manifest: one is made, as ``flask models add`` makes it.

    Raises:
        DownloadFailed
        ModelRefused: the manifest is none.
        IntakeRefused: the ONNX model cannot be served.
        FileExistsError: it is there already.
    """
    if not NAME.fullmatch(name):
        raise DownloadFailed(f"{name!r} cannot be a model's name")
    wanted = source.choose(name, version)
    if isinstance(source, MlflowSource) and (flavour := source.registry.onnx_file(name, wanted)):
        return _taken_in(source.registry, name, wanted, flavour, to)
    manifest = parse_manifest(source.read(name, wanted, MANIFEST_FILE, MAX_MANIFEST_BYTES))
    if manifest.name != name or (manifest.version != wanted and not isinstance(source, MlflowSource)):
        raise DownloadFailed(f"the manifest is of {manifest.name}/{manifest.version}")
    model = _checked(source.read(name, wanted, MODEL_FILE, MAX_WEIGHTS_BYTES), manifest.sha256, MODEL_FILE)
    Repository(to).add(manifest, model, _external(source, manifest, wanted))
    return manifest


def _chosen(name: str, version: str, known: list[str]) -> str:
    wanted = known[-1] if version == "latest" and known else version
    if wanted not in known or not NAME.fullmatch(wanted):
        raise DownloadFailed(f"{name} has no version {version!r}; it has {', '.join(known) or 'none'}")
    return wanted


def _external(source: Source, manifest: Manifest, version: str) -> Mapping[str, bytes]:
    found = {}
    for file, digest in (manifest.external or {}).items():
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise DownloadFailed(f"{file!r} lies outside the version's folder")
        found[file] = _checked(source.read(manifest.name, version, file, MAX_WEIGHTS_BYTES), digest, file)
    return found


def _checked(data: bytes, digest: str, file: str) -> bytes:
    actual = hashlib.sha256(data).hexdigest()
    if actual != digest:
        raise DownloadFailed(f"{file} has sha256 {actual[:12]}..., the manifest says {digest[:12]}...")
    return data


def _taken_in(registry: MlflowRegistry, name: str, number: str, file: str, to: Path) -> Manifest:
    options = Options(name=name, version=f"v{number}", source=f"MLflow, registered model {name}, version {number}")
    if (to / name / options.version).exists():
        raise FileExistsError(str(to / name / options.version))
    with registry.onnx_folder(name, number, file) as folder:
        intake = take_in((folder / MODEL_FILE).read_bytes(), folder, options, None, _load)
    Repository(to).add(intake.manifest, intake.model, intake.external)
    return intake.manifest


def _load(model: bytes, external: Mapping[str, bytes], _: str) -> OnnxRuntime:
    return OnnxRuntime(model, external)
