"""A deployment in words and pictures: Markdown for a pull request, HTML with charts for people."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from app.commands.output import when

HEAD = ["version", "variant", "traffic", "requests", "failed", "p50 ms", "p95 ms"]
EVENTS = ["time", "step", "traffic", "decision", "why"]

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d0d7de;padding:.3rem .7rem;text-align:left}
svg text{font:12px system-ui,sans-serif;fill:#1b1f24}"""


def rows_of(traffic: Mapping[str, Any], arms: Mapping[str, Any]) -> list[list[str]]:
    """A row per version."""
    return [
        [
            version,
            arm["variant"] or "-",
            f"{traffic['weights'].get(version, 0):g} %",
            str(arm["requests"]),
            _interval(arm["measures"]["error_rate"], 100, " %"),
            _number(arm["latency_p50_ms"]),
            _number(arm["latency_p95_ms"]),
        ]
        for version, arm in arms.items()
    ]


def events_of(rollout: Mapping[str, Any] | None) -> list[list[str]]:
    """What the judge decided, and when."""
    log = rollout["log"] if rollout else []
    return [
        [when(it["at"]), str(it["step"]), f"{it['percent']:g} %", it["decision"], it["reason"] or "-"] for it in log
    ]


def markdown(title: str, rows: Sequence[Sequence[str]], events: Sequence[Sequence[str]]) -> str:
    """The report without its charts."""
    parts = [f"# {title}", "", *_table(HEAD, rows)]
    if events:
        parts += ["", "## Rollout", "", *_table(EVENTS, events)]
    return "\n".join(parts) + "\n"


def html(
    title: str, rows: Sequence[Sequence[str]], events: Sequence[Sequence[str]], arms: Mapping[str, Mapping[str, Any]]
) -> str:
    """The whole page; nothing is loaded from anywhere."""
    charts = [
        bars("p95 latency, ms", {version: arm["latency_p95_ms"] or 0.0 for version, arm in arms.items()}),
        bars("failed requests, %", {v: arm["measures"]["error_rate"]["value"] * 100 for v, arm in arms.items()}),
        bars("requests", {version: float(arm["requests"]) for version, arm in arms.items()}),
    ]
    told = f"<h2>Rollout</h2>{_html_table(EVENTS, events)}" if events else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{_html_table(HEAD, rows)}"
        f"{''.join(charts)}{told}</body></html>\n"
    )


def bars(title: str, values: Mapping[str, float]) -> str:
    """One horizontal bar per version, as SVG."""
    most = max(values.values(), default=0.0) or 1.0
    lines = []
    for number, (name, value) in enumerate(values.items()):
        top, width = 24 + number * 26, 380 * value / most
        lines.append(
            f'<text x="0" y="{top + 14}">{escape(name)}</text>'
            f'<rect x="90" y="{top}" width="{width:.1f}" height="18" fill="#2f6feb"/>'
            f'<text x="{96 + width:.1f}" y="{top + 14}">{value:.3g}</text>'
        )
    height = 30 + 26 * len(values)
    label = f'<text x="0" y="14">{escape(title)}</text>'
    return f'<svg width="560" height="{height}" role="img" aria-label="{escape(title)}">{label}{"".join(lines)}</svg>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(map(_cell, row))} |" for row in rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _interval(measure: Mapping[str, float], factor: float, unit: str) -> str:
    low, high = measure["low"] * factor, measure["high"] * factor
    return f"{measure['value'] * factor:.2f}{unit} ({low:.2f} to {high:.2f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
