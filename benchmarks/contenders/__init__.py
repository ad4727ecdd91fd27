"""Everyone who is measured. A new rival is a ``Contender`` in one of these modules and its code under ``rivals/``."""

from collections.abc import Mapping

from benchmarks.contenders.caching import caching
from benchmarks.contenders.contender import Contender
from benchmarks.contenders.handwritten import handwritten
from benchmarks.contenders.heavy import heavy
from benchmarks.contenders.linear import linear
from benchmarks.contenders.servers import servers
from benchmarks.contenders.sluice import sluices
from benchmarks.redis_server import RedisProcess
from benchmarks.workload import Workload


def contenders(workload: Workload, backing: Mapping[str, RedisProcess]) -> dict[str, Contender]:
    """All of them by name, set up to serve the workload's models with the Redis servers that stand ready."""
    redis = backing["redis"].url
    everyone = (
        *sluices(workload, redis),
        *handwritten(workload),
        *caching(workload, redis, backing["silent"].url),
        *servers(workload),
        *heavy(workload),
        *linear(workload),
    )
    return {each.name: each for each in everyone}
