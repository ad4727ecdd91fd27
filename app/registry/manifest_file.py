"""``manifest.yaml`` beside ``model.onnx``: read with every mistake named, and written.

The file is written by ``flask models add`` and may be edited by hand; everything that is not understood is an error
that names the key, so a typo never silently changes what a feature accepts.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any, get_args

import yaml
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.errors import ModelRefused
from app.registry.manifest import NAME, TAKEN, Feature, GoldenRow, Manifest, Missing, Output, Role, Task
from app.registry.strict_yaml import YamlInvalid, read_yaml
from app.tensors import NUMPY_DTYPES


class _Strict(Schema):
    """Marshmallow's default, said aloud: an unknown key is an error."""

    _row_class: type[Any]

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Any:
        return self._row_class(**data)


class _FeatureSchema(_Strict):
    _row_class = Feature
    name = fields.String(required=True, validate=validate.Length(1, 256))
    dtype = fields.String(required=True, validate=validate.OneOf(sorted(NUMPY_DTYPES)))
    input = fields.String(required=True, validate=validate.Length(1, 256))
    shape = fields.List(fields.Integer(allow_none=True, validate=validate.Range(min=1)))
    range = fields.List(fields.Float(allow_none=True), validate=validate.Length(equal=2))
    categories = fields.List(fields.Raw(), validate=validate.Length(min=1))
    missing = fields.String(validate=validate.OneOf(get_args(Missing)))
    impute = fields.Raw()
    decimals = fields.Integer(strict=True, validate=validate.Range(min=0, max=15))
    observed = fields.Dict(keys=fields.String())
    description = fields.String()

    @validates_schema
    def _missing_fits(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("missing") == "impute") != (data.get("impute") is not None):
            raise ValidationError("is needed exactly when missing is 'impute'", "impute")
        if data.get("missing") == "nan" and not data.get("dtype", "").startswith("float"):
            raise ValidationError("'nan' needs a float dtype", "missing")
        if data.get("missing") == "nan" and data.get("shape"):
            raise ValidationError("'nan' needs a plain value", "missing")
        if data.get("decimals") is not None and not data.get("dtype", "").startswith("float"):
            raise ValidationError("rounding needs a float dtype", "decimals")
        low, high = data.get("range") or (None, None)
        if low is not None and high is not None and low > high:
            raise ValidationError("the first number is the smaller one", "range")

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Feature:
        tuples: dict[str, Any] = {key: tuple(data[key]) for key in ("shape", "range", "categories") if key in data}
        return Feature(**(data | tuples))


class _OutputSchema(_Strict):
    _row_class = Output
    name = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf(get_args(Role)))


class _GoldenSchema(_Strict):
    _row_class = GoldenRow
    features = fields.Dict(keys=fields.String(), required=True)
    outputs = fields.Dict(keys=fields.String(), required=True)


class ManifestSchema(Schema):
    """The file's shape: everything that ``Manifest`` holds, with what is allowed."""

    name = fields.String(required=True, validate=validate.Regexp(rf"^{NAME.pattern}\Z"))
    version = fields.String(required=True, validate=validate.Regexp(rf"^{NAME.pattern}\Z"))
    created = fields.String(required=True)
    source = fields.String(required=True)
    sha256 = fields.String(required=True, validate=validate.Regexp(r"^[0-9a-f]{64}\Z"))
    task = fields.String(required=True, validate=validate.OneOf(get_args(Task)))
    features = fields.List(fields.Nested(_FeatureSchema), required=True, validate=validate.Length(min=1))
    outputs = fields.List(fields.Nested(_OutputSchema), required=True, validate=validate.Length(min=1))
    description = fields.String()
    external = fields.Dict(keys=fields.String(), values=fields.String(validate=validate.Regexp(r"^[0-9a-f]{64}\Z")))
    labels = fields.List(fields.Raw())
    positive_label = fields.Raw()
    probability_name = fields.String(allow_none=True)
    entity_key = fields.String(allow_none=True)
    golden = fields.List(fields.Nested(_GoldenSchema))
    tolerance = fields.Float(validate=validate.Range(min=0))

    @validates_schema(skip_on_field_errors=True)
    def _agrees_with_itself(self, data: dict[str, Any], **_: Any) -> None:
        names = Counter(feature.name for feature in data["features"])
        repeated = sorted(name for name, times in names.items() if times > 1)
        if repeated:
            raise ValidationError(f"named twice: {', '.join(repeated)}", "features")
        if data.get("entity_key") in names:
            raise ValidationError("is the name of a feature", "entity_key")
        for key, other in (("entity_key", "probability_name"), ("probability_name", "entity_key")):
            if data.get(key) is not None and data[key] in (*TAKEN, data.get(other)):
                raise ValidationError("means something else in a body or an answer", key)
        if data.get("positive_label") is not None and data["positive_label"] not in data.get("labels", []):
            raise ValidationError("is not among labels", "positive_label")

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Manifest:
        lists: dict[str, Any] = {
            key: tuple(data[key]) for key in ("features", "outputs", "labels", "golden") if key in data
        }
        return Manifest(**(data | lists))


_SCHEMA = ManifestSchema()


def parse_manifest(text: str | bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ModelRefused: it is no YAML, or a key is missing, unknown or has a value that is not allowed.
    """
    try:
        data = read_yaml(text)
    except YamlInvalid as error:
        raise ModelRefused(f"manifest.yaml cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise ModelRefused("manifest.yaml: must be a mapping of keys to values")
    try:
        manifest: Manifest = _SCHEMA.load(data)
    except ValidationError as error:
        raise ModelRefused("manifest.yaml: " + "; ".join(_flattened(error.normalized_messages()))) from None
    return manifest


def dump_manifest(manifest: Manifest) -> str:
    """The manifest as YAML: keys in reading order, those at their default left out."""
    return yaml.dump(
        _stated(manifest),
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,
        Dumper=yaml.CSafeDumper,
    )


def fingerprint(manifest: Manifest) -> str:
    """Hex digest that changes whenever anything in a manifest does; the weights are in it by their digests."""
    return hashlib.sha256(dump_manifest(manifest).encode()).hexdigest()


def _flattened(messages: Any, path: str = "") -> list[str]:
    """Marshmallow's nested messages as ``key.path: text`` lines."""
    if isinstance(messages, dict):
        lines = []
        for key, inner in messages.items():
            step = f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
            lines += _flattened(inner, path if key == "_schema" else path + step)
        return lines
    return [f"{path}: {text}" if path else str(text) for text in messages]


def _stated(item: Any) -> Any:
    """Dataclasses as mappings of what differs from their defaults, tuples as lists, the rest as it is."""
    if is_dataclass(item):
        values = [(spec, getattr(item, spec.name)) for spec in fields_of(item)]
        return {spec.name: _stated(value) for spec, value in values if value != spec.default}
    if isinstance(item, Mapping):
        return {key: _stated(inner) for key, inner in item.items()}
    return [_stated(inner) for inner in item] if isinstance(item, list | tuple) else item
