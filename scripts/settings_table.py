"""Writes docs/settings.md from config/settings.py; with --check, only says whether it is up to date."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"

_HEAD = """# Settings

Sluice is told what to do by environment variables. An empty variable counts as absent; a value that cannot be used
stops the start with a message that names the variable and what is allowed. What is served by default stands in
`config/deployment.yaml` instead.

This page is written by `python scripts/settings_table.py` from `config/settings.py`.

"""


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "`on`" if default else "`off`"
    text = " ".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
    return f"`{text}`" if text else "none"


def _table() -> str:
    """The Markdown table of every variable."""
    lines = ["| variable | default | allowed | what it does |", "|---|---|---|---|"]
    for item in fields(Settings):
        meta = item.metadata
        lines.append(f"| `{meta['env']}` | {_shown(item.default)} | {meta['allowed']} | {meta['text']} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit status 1 when --check finds the page out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    page = _HEAD + _table()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        print(f"{PAGE.relative_to(ROOT)} is out of date: run  python scripts/settings_table.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
