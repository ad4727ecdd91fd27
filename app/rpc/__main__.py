"""``python -m app.rpc``: check the settings, then keep the processes alive. Holds neither models nor grpc itself."""

import os
import sys
from functools import partial

from app.processors import refuse_taken_address
from app.rpc.supervisor import Supervisor
from app.telemetry.graveyard import bury
from app.telemetry.logs import configure_logs, logger
from config.deployment import load_deployment
from config.invalid import ConfigInvalid
from config.prices import load_hourly_price
from config.runtime import close_runtime_folder, open_runtime_folder
from config.settings import Settings

_START_AND_END_S = 5
"""What a process may need for itself beside the time that calls in flight have."""


def main() -> int:
    """Exit status.

    Raises:
        SystemExit: a setting or file cannot be used, or the address is taken; says which.
    """
    try:
        settings = Settings.from_env()
        load_deployment(settings.deployment_file)
        load_hourly_price(settings.prices_file)
    except ConfigInvalid as error:
        raise SystemExit(f"sluice: {error}") from None
    configure_logs(settings.log_level, settings.log_format)
    refuse_taken_address(settings.grpc_host, settings.grpc_port, "SLUICE_GRPC_PORT")
    if settings.grpc_metrics_port:
        refuse_taken_address(settings.grpc_host, settings.grpc_metrics_port, "SLUICE_GRPC_METRICS_PORT")
    folder = open_runtime_folder(os.environ)
    commands = [(sys.executable, "-m", "app.rpc.process", str(number)) for number in range(settings.workers)]
    grace = settings.graceful_timeout + _START_AND_END_S
    try:
        return Supervisor(commands, grace, logger("sluice.rpc"), partial(bury, folder)).run()
    finally:
        close_runtime_folder(folder)


sys.exit(main())
