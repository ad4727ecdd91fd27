"""The page on monitoring names exactly the metrics there are, with their labels."""

import re

from app.telemetry.prometheus import Prometheus
from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
KINDS = {"counter", "histogram", "gauge"}


def _documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    rows = re.findall(r"^\| `(sluice_\w+)` \| (\w+) \|([^|]*)\| \S[^|]+ \|$", PAGE, re.MULTILINE)
    return {name: (kind, tuple(filter(None, labels.strip().split(", ")))) for name, kind, labels in rows}


def _shown() -> dict[str, tuple[str, tuple[str, ...]]]:
    prometheus = Prometheus()
    metrics = [*prometheus._gauges.values(), prometheus._latency, prometheus._rows]
    metrics += [prometheus._refused, prometheus._dropped, prometheus._batches]
    shown = {}
    for metric in metrics:
        (family,) = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown[name] = (family.type, tuple(metric._labelnames))
    return shown | {"sluice_requests_total": ("counter", shown["sluice_request_duration_seconds"][1])}


def test_every_metric_is_documented_and_no_other() -> None:
    assert _documented() == _shown()


def test_queries_use_metrics_that_exist() -> None:
    block = PAGE.partition("```promql\n")[2].partition("```")[0]
    used = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"sluice_\w+", block)}
    assert used
    assert used <= set(_shown())
