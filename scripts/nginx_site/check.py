"""Asking nginx itself, and writing so that nobody ever reads half a file."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts.nginx_site.site import Site

_PLACES = "".join(f"{name}_temp_path {name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def find_nginx() -> str | None:
    """The program, also where a user's PATH does not look."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def complaint(nginx: str, site: Site, text: str) -> str | None:
    """What ``nginx -t`` has against the text, or None. Nothing outside a temporary folder is touched."""
    with tempfile.TemporaryDirectory(prefix="sluice-nginx-") as name:
        folder = Path(name)
        path = folder / "nginx.conf"
        whole = text if site.whole else f"events {{}}\nhttp {{\n{_PLACES}{text}\n}}\n"
        if site.access_log != "off":
            whole = whole.replace(f"access_log {site.access_log} ", "access_log access.log ")
        path.write_text(whole if "\npid " in whole else f"pid nginx.pid;\n{whole}", encoding="utf-8")
        command = [nginx, "-t", "-q", "-e", "stderr", "-p", str(folder), "-c", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return None if done.returncode == 0 else done.stderr.strip().replace(str(path), "the configuration")


def write(path: Path, text: str) -> None:
    """Replace the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
