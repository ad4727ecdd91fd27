"""``roles.yaml``: roles, quotas and claims, read and checked at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from limits import parse_many
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from config.invalid import ConfigInvalid

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


class _RoleSchema(Schema):
    scopes = fields.List(fields.String(validate=validate.Regexp(r"^(\*|[a-z]+(:[a-z]+)?)\Z")), required=True)
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
    try:
        access: Access = _AccessSchema().load(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader) or {})
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read ({error.strerror}); set SLUICE_ROLES_FILE") from None
    except ValidationError as error:
        raise ConfigInvalid(f"{path}: {error.messages}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigInvalid(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    return access
