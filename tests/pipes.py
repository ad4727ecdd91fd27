"""A pipe that a test reads when it likes."""

import fcntl
import os


class Pipe:
    """A small pipe, as of a container's log collector that has stopped reading."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe()
        fcntl.fcntl(self.into, fcntl.F_SETPIPE_SZ, 16384)

    def drain(self) -> bytes:
        """What lies in it."""
        return os.read(self.out, 1 << 20)

    def close(self) -> None:
        """Both ends."""
        os.close(self.out)
        os.close(self.into)
