"""``prices.yaml``: what an hour of the instance costs."""

from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from config.invalid import ConfigInvalid, error_lines
from config.reading import read_file


class _PricesSchema(Schema):
    instance = fields.String(required=True)
    usd_per_hour = fields.Dict(keys=fields.String(), values=fields.Float(validate=validate.Range(min=0)), required=True)


def load_hourly_price(path: Path) -> float:
    """US dollars per hour of this server's instance.

    Raises:
        ConfigInvalid
    """
    try:
        data: Any = _PricesSchema().load(read_file(path, "SLUICE_PRICES_FILE"))
    except ValidationError as error:
        raise ConfigInvalid("; ".join(error_lines(error.normalized_messages(), str(path)))) from None
    price = data["usd_per_hour"].get(data["instance"])
    if price is None:
        raise ConfigInvalid(f"{path}: instance: must be one of {', '.join(data['usd_per_hour'])}")
    return float(price)
