"""An MLflow server as a registry, over its REST API: registered models, and artifacts that it hands out itself.

Artifacts that lie elsewhere (s3://, a folder of the server's) are not fetched: only the address that the operator
configured is ever asked.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from posixpath import basename, dirname, join, normpath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from app.registry.intake.graph import read_graph
from app.registry.manifest import NAME
from app.registry.repository import MANIFEST_FILE, MAX_WEIGHTS_BYTES, MODEL_FILE, natural_order
from scripts.rollouts.web import DownloadFailed, Website

_API = "api/2.0/mlflow"
_ARTIFACTS = "api/2.0/mlflow-artifacts/artifacts"
_MAX_ANSWER = 16 << 20
_MAX_PAGES = 50
_DESCRIPTION = "MLmodel"


class MlflowRegistry:
    """One server."""

    def __init__(self, site: Website) -> None:
        self._site = site
        self._roots: dict[tuple[str, str], str] = {}

    def number(self, name: str, version: str) -> str:
        """The version that is meant: ``latest``, a number, or an alias as ``@champion``.

        Raises:
            DownloadFailed
        """
        if version.startswith("@"):
            found = self._ask("registered-models/alias", name=name, alias=version[1:])
            return _text(found, "model_version", "version")
        ready = [it for it in self._versions(name) if _text(it, "status") == "READY"]
        known = sorted((_text(it, "version") for it in ready), key=natural_order)
        wanted = known[-1] if version == "latest" and known else version.removeprefix("v")
        if wanted not in known:
            raise DownloadFailed(f"{name} has no version {version!r}; it has {', '.join(known) or 'none'}")
        return wanted

    def read(self, name: str, number: str, file: str, limit: int) -> bytes:
        """An artifact of a version.

        Raises:
            DownloadFailed
        """
        return self._site.get(f"{_ARTIFACTS}/{join(self._root(name, number), file)}", limit)

    def onnx_file(self, name: str, number: str) -> str | None:
        """Where MLflow put the ONNX model that it logged, None for a version that has a manifest of ours.

        Raises:
            DownloadFailed: it is neither.
        """
        files = self._files(name, number)
        if MANIFEST_FILE in files:
            return None
        if _DESCRIPTION not in files:
            raise DownloadFailed(f"{name} {number} holds no {MANIFEST_FILE} and is no model that MLflow logged")
        try:
            described = yaml.load(self.read(name, number, _DESCRIPTION, _MAX_ANSWER), Loader=yaml.CSafeLoader)
            return _inside(str(described["flavors"]["onnx"]["data"]))
        except (yaml.YAMLError, KeyError, TypeError, ValueError):
            raise DownloadFailed(f"{name} {number} is no ONNX model; log it with mlflow.onnx") from None

    @contextmanager
    def onnx_folder(self, name: str, number: str, file: str) -> Iterator[Path]:
        """A folder that holds the model as ``model.onnx``, and the weights it keeps beside itself."""
        model = self.read(name, number, file, MAX_WEIGHTS_BYTES)
        with TemporaryDirectory(prefix="download-") as temporary:
            folder = Path(temporary)
            (folder / MODEL_FILE).write_bytes(model)
            for beside in read_graph(model).external:
                if NAME.fullmatch(beside) and beside != MODEL_FILE:
                    data = self.read(name, number, join(dirname(file), beside), MAX_WEIGHTS_BYTES)
                    (folder / beside).write_bytes(data)
            yield folder

    def _versions(self, name: str) -> Iterator[Any]:
        quoted = name.replace("'", "''")
        asked = {"filter": f"name='{quoted}'", "max_results": "1000"}
        for _ in range(_MAX_PAGES):
            page = self._ask("model-versions/search", **asked)
            yield from page.get("model_versions", ())
            if not page.get("next_page_token"):
                return
            asked["page_token"] = page["next_page_token"]

    def _files(self, name: str, number: str) -> set[str]:
        listed = self._json(_ARTIFACTS, path=self._root(name, number))
        return {basename(_text(it, "path")) for it in listed.get("files", ())}

    def _root(self, name: str, number: str) -> str:
        """Where the version's artifacts are, below the server's own store."""
        at = (name, number)
        if at not in self._roots:
            found = self._ask("model-versions/get-download-uri", name=name, version=number)
            uri = urlsplit(_text(found, "artifact_uri"))
            if uri.scheme != "mlflow-artifacts":
                raise DownloadFailed(
                    f"{name} {number} lies at {uri.scheme}://, not with the server; start it with --serve-artifacts"
                )
            self._roots[at] = _inside(uri.path.lstrip("/"))
        return self._roots[at]

    def _ask(self, method: str, /, **query: str) -> Any:
        return self._json(f"{_API}/{method}", **query)

    def _json(self, path: str, /, **query: str) -> Any:
        try:
            answer = json.loads(self._site.get(path, _MAX_ANSWER, query))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise DownloadFailed(f"{path} is answered by something that is no MLflow server")
        return answer


def _text(answer: Any, *keys: str) -> str:
    """A text somewhere in an answer."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(answer, str | int):
        raise DownloadFailed(f"the answer of the MLflow server has no {'.'.join(keys)}")
    return str(answer)


def _inside(path: str) -> str:
    """Raises DownloadFailed for a path that leads out of where it starts."""
    if path.startswith("/") or normpath(path).startswith(".."):
        raise DownloadFailed(f"{path!r} leads elsewhere")
    return normpath(path)
