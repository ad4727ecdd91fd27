"""What a hasty merge leaves behind, and no compiler minds when it stands in a docstring or in prose."""

import subprocess

from tests.architecture.source import ROOT

MARKERS = ("<" * 7 + " ", ">" * 7 + " ")


def test_no_merge_was_left_unfinished() -> None:
    named = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    files = [ROOT / name for name in named.split("\0") if name]
    lines = {
        file.name: [line for line in file.read_text(errors="replace").splitlines() if line.startswith(MARKERS)]
        for file in files
        if file.is_file()
    }
    assert len(lines) > 100
    assert {name: found for name, found in lines.items() if found} == {}
