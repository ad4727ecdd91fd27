"""``prices.yaml``: what an hour of the instance costs."""

from pathlib import Path
from typing import Any

import yaml
from marshmallow import Schema, ValidationError, fields, validate

from config.invalid import ConfigInvalid, error_lines


class _PricesSchema(Schema):
    instance = fields.String(required=True)
    usd_per_hour = fields.Dict(keys=fields.String(), values=fields.Float(validate=validate.Range(min=0)), required=True)


def load_hourly_price(path: Path) -> float:
    """US dollars per hour of this server's instance.

    Raises:
        ConfigInvalid
    """
    try:
        data: Any = _PricesSchema().load(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader) or {})
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read ({error.strerror}); set SLUICE_PRICES_FILE") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigInvalid(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigInvalid("; ".join(error_lines(error.normalized_messages(), str(path)))) from None
    price = data["usd_per_hour"].get(data["instance"])
    if price is None:
        raise ConfigInvalid(f"{path}: instance: must be one of {', '.join(data['usd_per_hour'])}")
    return float(price)
