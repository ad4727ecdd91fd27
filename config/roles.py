"""``roles.yaml``: roles, quotas and claims, read and checked at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limits import parse_many
from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from config.invalid import ConfigInvalid, error_lines, meant, unknown_key
from config.reading import read_file

SCOPES = (
    "predict",
    "models:read",
    "models:write",
    "stats:read",
    "metrics:read",
    "cache:write",
    "traffic:write",
    "*",
)
"""What a view or method may need; a role with another would be let in nowhere, and nobody would know why."""

Limit = tuple[int, int]
"""How many, in how many seconds."""


@dataclass(frozen=True, slots=True)
class QuotaPlan:
    """Limits on calls and on predicted rows."""

    requests: tuple[Limit, ...] = ()
    rows: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class RolePlan:
    """What a role may do, on which models (None: all), and how much of it."""

    scopes: frozenset[str]
    models: frozenset[str] | None = None
    quotas: QuotaPlan = field(default_factory=QuotaPlan)


@dataclass(frozen=True, slots=True)
class Access:
    """The whole file."""

    roles: Mapping[str, RolePlan]
    anonymous: QuotaPlan = field(default_factory=QuotaPlan)
    writes: QuotaPlan = field(default_factory=QuotaPlan)
    ceiling: QuotaPlan = field(default_factory=QuotaPlan)
    claims: Mapping[str, str] = field(default_factory=dict)
    anonymous_role: str = ""


def parse_limits(text: str) -> tuple[Limit, ...]:
    """``100/minute`` or ``5 per 10 second``, several with ``;`` between.

    Raises:
        ValueError: it is no such text.
    """
    return tuple((item.amount, item.get_expiry()) for item in parse_many(text))


class _Limits(fields.Field[Any]):
    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> tuple[Limit, ...]:
        try:
            return tuple(limit for text in value for limit in parse_limits(text))
        except (ValueError, TypeError):
            raise ValidationError('must be a list of limits such as "100/minute"') from None


class _QuotaSchema(Schema):
    requests = _Limits()
    rows = _Limits()

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> QuotaPlan:
        return QuotaPlan(**data)


def _known(scope: str) -> None:
    if scope not in SCOPES:
        raise ValidationError(f"there is no scope '{scope}'{meant(scope, SCOPES)}; scopes are: {', '.join(SCOPES)}")


class _RoleSchema(Schema):
    scopes = fields.List(fields.String(validate=_known), required=True)
    models = fields.List(fields.String())
    quotas = fields.Nested(_QuotaSchema)

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> RolePlan:
        models = frozenset(data["models"]) if "models" in data else None
        return RolePlan(frozenset(data["scopes"]), models, data.get("quotas", QuotaPlan()))


class _AccessSchema(Schema):
    roles = fields.Dict(keys=fields.String(), values=fields.Nested(_RoleSchema), required=True)
    anonymous = fields.Nested(_QuotaSchema)
    anonymous_role = fields.String()
    writes = fields.Nested(_QuotaSchema)
    ceiling = fields.Nested(_QuotaSchema)
    claims = fields.Dict(keys=fields.String(), values=fields.String())

    @validates_schema(skip_on_field_errors=True)
    def _roles_are_there(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("anonymous_role", "") not in {"", *data["roles"]}:
            raise ValidationError(f"'{data['anonymous_role']}' is not in roles", "anonymous_role")
        for claim, role in data.get("claims", {}).items():
            if role not in data["roles"]:
                raise ValidationError(f"'{claim}' stands for the role '{role}', which is not in roles", "claims")

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Access:
        return Access(**data)


def load_access(path: Path) -> Access:
    """Read the file.

    Raises:
        ConfigInvalid: names the file, the key and what is allowed.
    """
    data = read_file(path, "SLUICE_ROLES_FILE")
    try:
        access: Access = _AccessSchema().load(data)
    except ValidationError as error:
        raise ConfigInvalid("; ".join(error_lines(error.normalized_messages(), str(path), _explain))) from None
    return access


def _explain(text: str, path: str) -> str:
    if text == "Invalid input type.":
        return "must be a mapping"
    if text != "Unknown field.":
        return text
    steps = path.partition(": ")[2].split(".")
    quotas = len(steps) > 1 and steps[-2] in {"quotas", "anonymous", "writes", "ceiling"}
    schema: type[Schema] = _QuotaSchema if quotas else _AccessSchema if len(steps) == 1 else _RoleSchema
    return unknown_key(path, schema().fields)
