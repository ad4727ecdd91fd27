"""How many processors this process may really use: the container's share, not the host's count."""

import math
import os
from pathlib import Path


def available_cpus(root: Path = Path("/sys/fs/cgroup")) -> int:
    """At least 1; the smaller of the affinity mask and the cgroup quota (v2, then v1), rounded up."""
    quota = _cgroup_v2(root) or _cgroup_v1(root)
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, math.ceil(quota) if quota else allowed))


def _cgroup_v2(root: Path) -> float | None:
    words = _read(root / "cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def _cgroup_v1(root: Path) -> float | None:
    quota, period = (_read(root / "cpu" / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
