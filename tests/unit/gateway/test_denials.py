"""A flood of denials is told in few lines, and none of it is lost."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from app.gateway import denials
from app.gateway.audit import AuditLog
from tests.programs import wait_until


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(path: Path) -> Counter[object]:
    """How many denials of each reason the log tells of."""
    found: Counter[object] = Counter()
    for line in lines(path):
        if line["result"] == "denied":
            found[line["reason"]] += int(str(line.get("repeated", 1)))
    return found


def test_a_flood_from_one_address_is_a_line_and_a_number(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(5000):
        log.record("predict", "denied", "address:2001:db8::/64", f"2001:db8::{number:x}", reason="unauthenticated")
    log.record("predict", "denied", "key:1", "198.51.100.7", reason="quota", limit="5/minute")
    log.record("cache:write", "allowed", "key:1", "198.51.100.7")
    wait_until(lambda: len(lines(tmp_path / "audit.jsonl")) >= 4, 3, "the number, though nobody is denied any more")
    written = lines(tmp_path / "audit.jsonl")
    assert [line for line in written if line["result"] == "allowed"]
    assert len(written) <= 6, "a line and a number for each second it took, and the two of the other"
    assert told(tmp_path / "audit.jsonl")["unauthenticated"] == 5000
    assert {line["address"] for line in written if "repeated" in line} == {"2001:db8::/64"}


def test_a_flood_from_everywhere_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "WINDOW_S", 60.0)
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(1000):
        log.record(
            "predict", "denied", f"address:10.0.{number // 250}.{number % 250}", f"10.0.{number}", reason="quota"
        )
    log._denials.flush()
    assert len(lines(tmp_path / "audit.jsonl")) == denials.MOST + 1
    assert sum(told(tmp_path / "audit.jsonl").values()) == 1000
    assert told(tmp_path / "audit.jsonl")["any"] == 1000 - denials.MOST


def test_the_next_second_has_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "WINDOW_S", 0.05)
    log = AuditLog(tmp_path / "audit.jsonl")
    for _ in range(3):
        for _ in range(2):
            log.record("predict", "denied", "key:1", "198.51.100.7", reason="forbidden")
        time.sleep(0.06)
    wait_until(lambda: told(tmp_path / "audit.jsonl")["forbidden"] == 6, 3, "six denials")
    assert sum("repeated" not in line for line in lines(tmp_path / "audit.jsonl")) >= 3
