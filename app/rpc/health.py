"""The standard health service, ``grpc.health.v1``.

It knows the server (an empty name), the inference service by its full name, and each model as ``models/<name>``.
"""

from grpc.aio import Server
from grpc_health.v1.health import OVERALL_HEALTH, SERVICE_NAME, aio
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from app.registry.readiness import can_answer
from app.registry.registry import Registry

HEALTH: str = SERVICE_NAME


class Health:
    """Keeps the statuses as the registry has it; whoever watches one is told when it changes."""

    def __init__(self, registry: Registry, service: str) -> None:
        self._registry = registry
        self._service = service
        self._servicer = aio.HealthServicer()
        self._told: dict[str, int] = {}
        self.draining = False

    def attach(self, server: Server) -> None:
        """Serve it there."""
        add_HealthServicer_to_server(self._servicer, server)

    @property
    def ready(self) -> bool:
        """Whether this process wants new calls."""
        return not self.draining and can_answer(self._registry)

    async def refresh(self) -> None:
        """Tell what has changed since the last time."""
        for name, status in self._statuses().items():
            if self._told.get(name) != status:
                self._told[name] = status
                await self._servicer.set(name, status)

    async def drain(self) -> None:
        """Nothing is served any more, from now to the end."""
        self.draining = True
        await self._servicer.enter_graceful_shutdown()

    def _statuses(self) -> dict[str, int]:
        whole = _status(can_answer(self._registry))
        models = {f"models/{name}": _status(model.served is not None) for name, model in self._registry.models.items()}
        gone = {name: HealthCheckResponse.SERVICE_UNKNOWN for name in self._told if name.startswith("models/")}
        return {OVERALL_HEALTH: whole, self._service: whole} | gone | models


def _status(serving: bool) -> int:
    return int(HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)
