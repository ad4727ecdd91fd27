"""The model repository on disk: ``<root>/<name>/<version>/{model.onnx, manifest.yaml}``.

The server owns every path: names come from an allow-list, each file must really lie inside the repository, and a new
version appears whole (written beside, synced, renamed) or not at all.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModelRefused
from app.registry.manifest import NAME, Manifest
from app.registry.manifest_file import dump_manifest, parse_manifest

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.yaml"
MAX_MANIFEST_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 2 << 30
"""What an ONNX file can be at most, and what is taken of each file beside it."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version's files, read and checked against their digests."""

    manifest: Manifest
    model: bytes
    external: Mapping[str, bytes]


class Repository:
    """Reads and adds versions under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def versions(self) -> Iterator[tuple[str, str]]:
        """Every (name, version) folder, in natural order; anything not named like one is passed over."""
        for model in _folders(self.root):
            for version in sorted(_folders(model), key=lambda folder: natural_order(folder.name)):
                yield model.name, version.name

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest alone.

        Raises:
            ModelRefused: unreadable, invalid, or it names another model or version than its folder.
        """
        manifest = parse_manifest(self._read(name, version, MANIFEST_FILE))
        if (manifest.name, manifest.version) != (name, version):
            raise ModelRefused(
                f"manifest.yaml is of {manifest.name}/{manifest.version}, its folder is {name}/{version}"
            )
        return manifest

    def read(self, name: str, version: str) -> StoredVersion:
        """All files of a version.

        Raises:
            ModelRefused: a file is missing, empty, outside the repository, or not what the manifest's digest says.
        """
        manifest = self.manifest(name, version)
        model = self._verified(name, version, MODEL_FILE, manifest.sha256)
        external = {
            file: self._verified(name, version, _inside(file), digest)
            for file, digest in (manifest.external or {}).items()
        }
        return StoredVersion(manifest, model, external)

    def add(self, manifest: Manifest, model: bytes, external: Mapping[str, bytes]) -> Path:
        """Write a version; the folder appears by one rename once everything in it is on disk.

        Raises:
            FileExistsError: that version is already there. Versions are immutable.
        """
        target = self.root / manifest.name / manifest.version
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise FileExistsError(str(target))
        staging = Path(tempfile.mkdtemp(prefix=".adding-", dir=target.parent))
        try:
            staging.chmod(0o755)
            for file, data in {MODEL_FILE: model, **external, MANIFEST_FILE: dump_manifest(manifest).encode()}.items():
                _write_synced(staging / file, data)
            _sync_folder(staging)
            staging.rename(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target

    def remove(self, name: str, version: str) -> None:
        """Take a version away; it disappears by one rename. What a worker has loaded it keeps."""
        folder = self.root / name / version
        going = Path(tempfile.mkdtemp(prefix=".removing-", dir=folder.parent))
        folder.rename(going / version)
        shutil.rmtree(going)
        _sync_folder(folder.parent)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()

    def _verified(self, name: str, version: str, file: str, digest: str) -> bytes:
        data = self._read(name, version, file)
        if not data:
            raise ModelRefused(f"{file} is empty")
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise ModelRefused(f"{file} has sha256 {actual[:12]}..., the manifest says {digest[:12]}...")
        return data

    def _read(self, name: str, version: str, file: str) -> bytes:
        limit = MAX_MANIFEST_BYTES if file == MANIFEST_FILE else MAX_WEIGHTS_BYTES
        try:
            real = Path(os.path.realpath(self.root / name / version / file, strict=True))
            if not real.is_relative_to(self.root.resolve()):
                raise ModelRefused(f"{file} lies outside the model repository")
            if not real.is_file():
                raise ModelRefused(f"{file} is not a regular file")
            if real.stat().st_size > limit:
                raise ModelRefused(f"{file} is larger than {limit} bytes")
            return real.read_bytes()
        except OSError as error:
            raise ModelRefused(f"{file} cannot be read: {error.strerror}") from None


def natural_order(version: str) -> tuple[tuple[int, str], ...]:
    """Sort key under which v10 follows v9."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def _inside(file: str) -> str:
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise ModelRefused(f"external file '{file}' lies outside the version's folder")
    return file


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if NAME.fullmatch(entry.name) and entry.is_dir())
    except OSError:
        return []


def _write_synced(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
