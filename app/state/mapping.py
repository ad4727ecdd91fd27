"""Memory that processes share through a file."""

import mmap
import os
from pathlib import Path


def map_file(path: Path, size: int) -> mmap.mmap:
    """The file's bytes as memory that all who map it see; made of zeros, for its owner only, where it is not there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)  # a page that is not there would end whoever writes to it
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
