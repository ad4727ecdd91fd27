"""The container's share of the processors, from files as kernels write them."""

import os
from pathlib import Path

import pytest

from app.runtimes.cpus import available_cpus

ALLOWED = len(os.sched_getaffinity(0))


def test_without_a_quota_all_that_are_allowed(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == ALLOWED


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("max 100000\n", ALLOWED),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("1 100000\n", 1),
        (f"{ALLOWED * 100000 - 50000} 100000\n", ALLOWED),
        ("6400000 100000\n", ALLOWED),
        ("", ALLOWED),
        ("garbage", ALLOWED),
    ],
)
def test_cgroup_v2(tmp_path: Path, text: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [
        ("-1", "100000", ALLOWED),
        ("100000", "100000", 1),
        ("20000", "100000", 1),
        ("100000", "0", ALLOWED),
        ("", "", ALLOWED),
    ],
)
def test_cgroup_v1(tmp_path: Path, quota: str, period: str, cpus: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text(period + "\n")
    assert available_cpus(tmp_path) == cpus


def test_the_affinity_mask_counts(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert available_cpus(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, allowed)
