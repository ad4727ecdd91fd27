"""What this process holds in memory, as the kernel counts it."""

import re
from pathlib import Path
from typing import NamedTuple

_FIELDS = re.compile(r"^(VmRSS|RssAnon):\s+(\d+) kB$", re.MULTILINE)


class Memory(NamedTuple):
    """Bytes. ``own`` is what would be free if the process ended: without files and mapped weights, which are shared."""

    resident: int
    own: int


def memory(status: Path = Path("/proc/self/status")) -> Memory:
    """At this moment; zeros where the kernel does not say."""
    try:
        found = {name: int(kilobytes) * 1024 for name, kilobytes in _FIELDS.findall(status.read_text())}
    except OSError:
        found = {}
    return Memory(found.get("VmRSS", 0), found.get("RssAnon", 0))
