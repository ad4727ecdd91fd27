"""Gets a version of a model out of a registry: a folder laid out like ``models/``, or the same behind http(s).

Behind http(s) ``<name>/versions.json`` lists the versions, oldest first. Whatever comes is checked against the digests
of its manifest before it is put where it is wanted, whole or not at all.
"""

import hashlib
import json
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from app.registry.manifest import NAME, Manifest, parse_manifest
from app.registry.repository import MANIFEST_FILE, MODEL_FILE, Repository

TIMEOUT_S = 60.0
MAX_BYTES = 4 << 30


class DownloadFailed(Exception):
    """The version is not there, or is not what its manifest says."""


class Source(Protocol):
    """A registry."""

    def versions(self, name: str) -> list[str]:
        """Oldest first."""
        ...

    def read(self, name: str, version: str, file: str) -> bytes:
        """One file of a version."""
        ...


class FolderSource:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self._repository = Repository(root)

    def versions(self, name: str) -> list[str]:
        """See ``Source.versions``."""
        return [version for model, version in self._repository.versions() if model == name]

    def read(self, name: str, version: str, file: str) -> bytes:
        """See ``Source.read``."""
        try:
            return (self._repository.root / name / version / file).read_bytes()
        except OSError as error:
            raise DownloadFailed(f"{name}/{version}/{file}: {error.strerror}") from None


class _AsSafe(HTTPRedirectHandler):
    """Follows a redirect that stays on TLS, or never was; urllib alone goes from https to http, and to ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Raises HTTPError where the new address is less safe than the old one."""
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            raise HTTPError(req.full_url, code, f"points to {newurl!r}, which is not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_AsSafe)


class HttpSource:
    """An address that the operator configured."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def versions(self, name: str) -> list[str]:
        """See ``Source.versions``."""
        try:
            return [str(version) for version in json.loads(self._get(f"{name}/versions.json"))]
        except (ValueError, TypeError):
            raise DownloadFailed(f"{name}/versions.json is no list of versions") from None

    def read(self, name: str, version: str, file: str) -> bytes:
        """See ``Source.read``."""
        return self._get(f"{name}/{version}/{file}")

    def _get(self, path: str) -> bytes:
        try:
            with _OPENER.open(f"{self._base}/{quote(path)}", timeout=TIMEOUT_S) as answer:
                data: bytes = answer.read(MAX_BYTES + 1)
        except (URLError, OSError, HTTPException) as error:
            raise DownloadFailed(f"{path}: {getattr(error, 'reason', error)}") from None
        if len(data) > MAX_BYTES:
            raise DownloadFailed(f"{path} is larger than {MAX_BYTES} bytes")
        return data


def source_of(address: str) -> Source:
    """The registry that an address stands for."""
    return HttpSource(address) if address.startswith(("http://", "https://")) else FolderSource(Path(address))


def download(source: Source, name: str, version: str, to: Path) -> Manifest:
    """Put a version into the repository ``to``; ``latest`` is the newest one.

    Raises:
        DownloadFailed
        ModelRefused: the manifest is none.
        FileExistsError: it is there already.
    """
    known = source.versions(name)
    wanted = known[-1] if version == "latest" and known else version
    if wanted not in known or not NAME.fullmatch(wanted):
        raise DownloadFailed(f"{name} has no version {version!r}; it has {', '.join(known) or 'none'}")
    manifest = parse_manifest(source.read(name, wanted, MANIFEST_FILE))
    if (manifest.name, manifest.version) != (name, wanted):
        raise DownloadFailed(f"the manifest is of {manifest.name}/{manifest.version}")
    model = _checked(source.read(name, wanted, MODEL_FILE), manifest.sha256, MODEL_FILE)
    external = _external(source, manifest)
    Repository(to).add(manifest, model, external)
    return manifest


def _external(source: Source, manifest: Manifest) -> Mapping[str, bytes]:
    found = {}
    for file, digest in (manifest.external or {}).items():
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise DownloadFailed(f"{file!r} lies outside the version's folder")
        found[file] = _checked(source.read(manifest.name, manifest.version, file), digest, file)
    return found


def _checked(data: bytes, digest: str, file: str) -> bytes:
    actual = hashlib.sha256(data).hexdigest()
    if actual != digest:
        raise DownloadFailed(f"{file} has sha256 {actual[:12]}..., the manifest says {digest[:12]}...")
    return data
