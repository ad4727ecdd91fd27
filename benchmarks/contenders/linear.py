"""Who serves the light model, where nearly all that is measured is the server."""

from benchmarks.contenders.contender import Contender
from benchmarks.contenders.servers import mlserver
from benchmarks.contenders.sluice import sluice
from benchmarks.workload import Workload


def linear(workload: Workload) -> tuple[Contender, ...]:
    """Ours and MLServer, set up as with the small model."""
    ours = {"SLUICE_DEPLOYMENT_FILE": str(workload.deployment("linear", "linear"))}
    return (
        sluice(workload, "linear", "Sluice without keys and Redis", ours, model="linear"),
        mlserver(workload, "linear_mlserver", "MLServer", model="linear"),
    )
