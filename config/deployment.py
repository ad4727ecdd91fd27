"""``deployment.yaml``: read and checked at start, so a mistake is a message and not a surprise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from marshmallow import Schema, ValidationError, fields, post_load, validate

from config.invalid import ConfigInvalid, error_lines, unknown_key
from config.reading import read_file

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"

Mode = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class CacheDeployment:
    """Which tiers remember a model's answers (``auto`` measures whether that pays) and for how many seconds."""

    l1: Mode = "auto"
    l2: Mode = "auto"
    ttl: float = 3600.0


@dataclass(frozen=True, slots=True)
class BatchDeployment:
    """How concurrent calls of a model are joined.

    ``max_batch_size`` None: as many rows as are measured to be useful under ``latency_objective_ms``.
    ``max_queue_delay_ms`` is how long a batch that is not full waits for more, ``max_queue_ms`` how much work may wait
    before more is refused, ``pool_size`` how many runs go on at a time where calls wait for each other.
    """

    mode: Mode = "auto"
    max_batch_size: int | None = None
    max_queue_delay_ms: float = 0.0
    latency_objective_ms: float = 100.0
    max_queue_ms: float = 2000.0
    pool_size: int = 1


@dataclass(frozen=True, slots=True)
class ModelDeployment:
    """How one model is served. ``timeout_ms`` is its deadline for callers that name none."""

    default_version: str | None = None
    cache: CacheDeployment | None = None
    batching: BatchDeployment = field(default_factory=BatchDeployment)
    timeout_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """A running server that scripts deploy to. ``key_variable`` names the environment variable that holds its API key.

    ``command`` brings an image there (``{image}`` stands for it); without one the platform does that by itself.
    """

    url: str
    key_variable: str = "SLUICE_API_KEY"
    model: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """The whole file. ``registry`` is where scripts get models from: a folder, http(s), or MLflow."""

    default_model: str | None = None
    cache: CacheDeployment = field(default_factory=CacheDeployment)
    models: Mapping[str, ModelDeployment] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    registry: str = "models"


class _Mode(fields.String):
    """A ``Mode``; ``on`` and ``off`` are booleans to a YAML reader."""

    def __init__(self) -> None:
        super().__init__(validate=validate.OneOf(get_args(Mode)))

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        word = ("on" if value else "off") if isinstance(value, bool) else value
        return super()._deserialize(word, attr, data, **kwargs)


class _CacheSchema(Schema):
    l1 = _Mode()
    l2 = _Mode()
    ttl = fields.Float(validate=validate.Range(min=1, max=31_536_000))

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> CacheDeployment:
        return CacheDeployment(**data)


class _BatchSchema(Schema):
    mode = _Mode()
    max_batch_size = fields.Integer(allow_none=True, validate=validate.Range(min=1, max=65_536))
    max_queue_delay_ms = fields.Float(validate=validate.Range(min=0, max=10_000))
    latency_objective_ms = fields.Float(validate=validate.Range(min=0.1, max=600_000))
    max_queue_ms = fields.Float(validate=validate.Range(min=1, max=600_000))
    pool_size = fields.Integer(validate=validate.Range(min=1, max=256))

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> BatchDeployment:
        return BatchDeployment(**data)


class _ModelSchema(Schema):
    batching = fields.Nested(_BatchSchema)
    timeout_ms = fields.Float(validate=validate.Range(min=1, max=3_600_000))
    cache = fields.Nested(_CacheSchema)
    default_version = fields.String(validate=validate.Regexp(NAME, error="must be a version's folder name"))

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> ModelDeployment:
        return ModelDeployment(**data)


class _EnvironmentSchema(Schema):
    url = fields.String(required=True, validate=validate.Regexp(r"^https?://\S+\Z", error="must be http(s)://..."))
    key_variable = fields.String(
        validate=validate.Regexp(r"^[A-Z][A-Z0-9_]*\Z", error="must be the name of an environment variable")
    )
    model = fields.String(validate=validate.Regexp(NAME, error="must be a model's folder name"))
    command = fields.List(fields.String(validate=validate.Length(min=1)))

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Environment:
        return Environment(**data | {"command": tuple(data.get("command", ()))})


class _DeploymentSchema(Schema):
    default_model = fields.String(validate=validate.Regexp(NAME, error="must be a model's folder name"))
    cache = fields.Nested(_CacheSchema)
    models = fields.Dict(
        keys=fields.String(validate=validate.Regexp(NAME, error="must be a model's folder name")),
        values=fields.Nested(_ModelSchema),
    )
    environments = fields.Dict(
        keys=fields.String(validate=validate.Regexp(NAME, error="must be a name")),
        values=fields.Nested(_EnvironmentSchema),
    )
    registry = fields.String(validate=validate.Length(min=1))

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Deployment:
        return Deployment(**data)


def load_deployment(path: Path) -> Deployment:
    """Read the file.

    Raises:
        ConfigInvalid: unreadable, no YAML, or a key that is unknown or has a value that is not allowed.
    """
    data = read_file(path, "SLUICE_DEPLOYMENT_FILE")
    if not isinstance(data, dict):
        raise ConfigInvalid(f"{path}: must be a mapping; allowed keys: {_keys(_DeploymentSchema)}")
    try:
        deployment: Deployment = _DeploymentSchema().load(data)
    except ValidationError as error:
        raise ConfigInvalid("; ".join(error_lines(error.normalized_messages(), str(path), _explain))) from None
    return deployment


def _explain(text: str, path: str) -> str:
    if text != "Unknown field.":
        return text
    steps = path.partition(": ")[2].split(".")
    kinds: dict[str, type[Schema]] = {"models": _ModelSchema, "environments": _EnvironmentSchema}
    schema: type[Schema] = kinds.get(steps[0], _DeploymentSchema)
    nested = {"cache": _CacheSchema, "batching": _BatchSchema}
    return unknown_key(path, nested.get(steps[-2] if len(steps) > 1 else "", schema)().fields)


def _keys(schema: type[Schema]) -> str:
    return ", ".join(schema().fields)
