"""Triton's statistics extension over what the cache counts anyway: no figure is kept twice."""

from collections.abc import Mapping
from typing import Any

_CACHED = ("hit-l1", "hit-l2")
_COMPUTED = ("miss", "bypass")
_NOTHING = {"count": 0, "ns": 0}


def model_statistics(
    counts: Mapping[str, Mapping[str, float]], name: str | None = None, version: str | None = None
) -> list[dict[str, Any]]:
    """One entry per version that was asked, of all models or of one.

    ``counts`` is label (``model/version``) -> the figures of ``cache.tally``. Times are nanoseconds. Waiting for others
    and moving data are part of computing here and not told apart, so those members are 0.
    """
    parts = [(*label.partition("/")[::2], figures) for label, figures in sorted(counts.items())]
    return [
        _entry(model, this, figures)
        for model, this, figures in parts
        if name in (None, model) and version in (None, this)
    ]


def _entry(model: str, version: str, figures: Mapping[str, float]) -> dict[str, Any]:
    computed = _duration(figures, *_COMPUTED)
    durations = {
        "success": _duration(figures, *_CACHED, *_COMPUTED),
        "fail": _duration(figures, "failed"),
        "queue": _NOTHING,
        "compute_input": _NOTHING,
        "compute_infer": computed,
        "compute_output": _NOTHING,
        "cache_hit": _duration(figures, *_CACHED),
        "cache_miss": _duration(figures, "miss"),
    }
    return {
        "name": model,
        "version": version,
        "inference_count": int(sum(figures.get(source, 0) for source in (*_CACHED, *_COMPUTED))),
        "execution_count": computed["count"],
        "inference_stats": durations,
        "batch_stats": [],
    }


def _duration(figures: Mapping[str, float], *sources: str) -> dict[str, int]:
    return {
        "count": int(sum(figures.get(f"{source}_n", 0) for source in sources)),
        "ns": int(1e9 * sum(figures.get(f"{source}_s", 0.0) for source in sources)),
    }
