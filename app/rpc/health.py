"""The standard health service, ``grpc.health.v1``.

It knows the server (an empty name), the inference service by its full name, and each model as ``models/<name>``. Ours
because the library's lets a watcher who leaves take the others' news along.
"""

import asyncio
from typing import Any

import grpc
from grpc.aio import Server
from grpc_health.v1.health import OVERALL_HEALTH, SERVICE_NAME
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer, add_HealthServicer_to_server

from app.registry.readiness import can_answer
from app.registry.registry import Registry

HEALTH: str = SERVICE_NAME


class Health(HealthServicer):  # type: ignore[misc]
    """Keeps the statuses as the registry has it; whoever watches one is told when it changes."""

    def __init__(self, registry: Registry, service: str) -> None:
        self._registry = registry
        self._service = service
        self._told: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self.draining = False

    def attach(self, server: Server) -> None:
        """Serve it there."""
        add_HealthServicer_to_server(self, server)

    @property
    def ready(self) -> bool:
        """Whether this process wants new calls."""
        return not self.draining and can_answer(self._registry)

    async def Check(self, request: HealthCheckRequest, context: Any) -> HealthCheckResponse:  # noqa: N802 - the protocol's
        """How one of them is; NOT_FOUND for a name that there is not."""
        status = self._told.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return HealthCheckResponse(status=status)

    async def Watch(self, request: HealthCheckRequest, context: Any) -> None:  # noqa: N802
        """The same whenever it changes, until the caller leaves; nobody waits for one who does not read."""
        name, last = request.service, None
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda before=last: self._status_of(name) != before)
                last = self._status_of(name)
            await context.write(HealthCheckResponse(status=last))

    async def refresh(self) -> None:
        """Tell what has changed since the last time."""
        if not self.draining:
            await self._tell(self._statuses())

    async def drain(self) -> None:
        """Nothing is served any more, from now to the end."""
        self.draining = True
        await self._tell(dict.fromkeys(self._told, _status(False)))

    async def _tell(self, statuses: dict[str, int]) -> None:
        if statuses != self._told:
            async with self._changed:
                self._told = statuses
                self._changed.notify_all()

    def _status_of(self, name: str) -> int:
        return self._told.get(name, int(HealthCheckResponse.SERVICE_UNKNOWN))

    def _statuses(self) -> dict[str, int]:
        whole = _status(can_answer(self._registry))
        models = {f"models/{name}": _status(model.served is not None) for name, model in self._registry.models.items()}
        return {OVERALL_HEALTH: whole, self._service: whole} | models


def _status(serving: bool) -> int:
    return int(HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)
