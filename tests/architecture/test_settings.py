"""Every setting is documented, and nothing that looks like a setting is anything else."""

import re
import subprocess
import sys
from dataclasses import fields

from config.settings import Settings
from tests.architecture.source import ROOT, modules

PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "scripts/settings_table.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr


def test_every_setting_has_a_row_and_a_text() -> None:
    undocumented = [
        item.name
        for item in fields(Settings)
        if not re.search(rf"^\| `{item.metadata['env']}` \| .+ \| .+ \| \S.+ \|$", PAGE, re.MULTILINE)
    ]
    assert undocumented == []


def test_every_variable_anyone_names_is_a_setting() -> None:
    known = {item.metadata["env"] for item in fields(Settings)}
    files = ["Makefile", "Dockerfile", "gunicorn.conf.py", "wsgi.py", "README.md", "CONTRIBUTING.md"]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in files}
    texts |= {module.name: module.text for module in modules("app", "config")}
    texts |= {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")}
    strangers = {
        (name, variable)
        for name, text in texts.items()
        for variable in re.findall(r"\bSLUICE_[A-Z_]*[A-Z]\b", text)
        if variable not in known
    }
    assert strangers == set()
