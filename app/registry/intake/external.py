"""Weights that an ONNX file keeps in files of their own."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from app.registry.intake.options import IntakeRefused
from app.registry.manifest import NAME
from app.registry.repository import MANIFEST_FILE, MODEL_FILE


def read_external(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The files by name, each of which must really lie in the folder.

    A model file may name any path on the machine that opens it; only a plain name is looked for, and a link that leads
    elsewhere is not followed.

    Raises:
        IntakeRefused: a name is a path, a link leads out of the folder, or there is no such file.
    """
    return {name: _read(folder.resolve(), name) for name in names}


def digests(external: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, in hex."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in external.items()}


def _read(folder: Path, name: str) -> bytes:
    if not NAME.fullmatch(name) or PurePosixPath(name).name != name:
        raise IntakeRefused(
            f"The model keeps weights in {name[:100]!r}; only files beside it with a plain name are taken."
            " Export it again with its weights inside, or in one file next to it."
        )
    if name in (MODEL_FILE, MANIFEST_FILE):
        raise IntakeRefused(f"The model keeps weights in {name!r}, a name this server needs; export under another.")
    path = folder / name
    if path.resolve().parent != folder or not path.is_file():
        raise IntakeRefused(f"The model keeps weights in {name!r}, and no such file lies beside it; put it there.")
    return path.read_bytes()
