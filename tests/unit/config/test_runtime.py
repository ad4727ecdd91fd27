"""The folder in memory: made for this process, orphans removed, and nothing of anybody else's touched."""

import os
import tempfile
from pathlib import Path

import pytest

from config.runtime import VARIABLE, close_runtime_folder, open_runtime_folder


def _old(folder: Path) -> Path:
    os.utime(folder, (1, 1))
    return folder


def test_orphans_go_and_the_own_folder_is_private(tmp_path: Path) -> None:
    orphan = tmp_path / "sluice-1-abandoned"
    orphan.mkdir()
    _old(orphan)
    environ = {VARIABLE: str(tmp_path)}
    folder = open_runtime_folder(environ)
    assert not orphan.exists()
    assert environ[VARIABLE] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    close_runtime_folder(folder)
    assert not folder.exists()


def test_a_link_that_somebody_left_there_is_not_followed(tmp_path: Path) -> None:
    """Anybody may write to /dev/shm, and would have had a file made, with the server's rights, wherever they liked."""
    base, victim = tmp_path / "base", tmp_path / "victim"
    trap, elsewhere = base / "sluice-1-trap", tmp_path / "elsewhere"
    trap.mkdir(parents=True)
    elsewhere.mkdir()
    (trap / "owner").symlink_to(victim)
    (base / "sluice-2-link").symlink_to(elsewhere)
    _old(trap), _old(elsewhere)
    close_runtime_folder(open_runtime_folder({VARIABLE: str(base)}))
    assert not victim.exists()
    assert list(elsewhere.iterdir()) == []


def test_a_folder_in_memory_with_little_room_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.runtime.ROOM_BYTES", 1 << 60)
    environ: dict[str, str] = {}
    folder = open_runtime_folder(environ)
    close_runtime_folder(folder)
    assert folder.parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300])
def test_where_none_can_be_made_it_says_so_in_a_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=rf"cannot make a folder in .*; set {VARIABLE}"):
        open_runtime_folder({VARIABLE: str(tmp_path / place)})
