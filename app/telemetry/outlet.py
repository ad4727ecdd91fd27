"""Where lines leave the process: whoever reads them may be slow, or have stopped, and nobody here waits for that.

A pipe whose reader stands still takes 64 KiB; the next write would wait for as long as it likes, and with it the
request thread, or the master. A line that does not fit is lost instead.
"""

import ctypes
import os
import select
import socket
import stat

PATIENCE_S = 0.05
"""How long a line waits for a reader that takes nothing. After that, none does until there is room again."""

_PIECE = 4096
"""What a pipe takes whole, or not at all."""

_libc = ctypes.PyDLL(None, use_errno=True)
_write = _libc.write
"""``write`` that keeps the interpreter to itself. ``os.write`` lets another thread go first for as long as that one
likes, and a worker that is killed meanwhile has claimed a line it never wrote. Where there is room it takes 2 us."""
_write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_write.restype = ctypes.c_ssize_t
_send = _libc.send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t


class Outlet:
    """One descriptor, and whether it is worth waiting for."""

    def __init__(self, descriptor: int = 2, cut: bool = False) -> None:
        mode = _mode(descriptor)
        self.may_be_full = not stat.S_ISREG(mode)
        """A pipe, a socket, a terminal; a file takes everything until its disk is full, and says so then."""
        self._is_socket = stat.S_ISSOCK(mode)
        self._descriptor = _own_way(descriptor) if self.may_be_full and not self._is_socket else descriptor
        self._waits = self.may_be_full and not self._is_socket and os.get_blocking(self._descriptor)
        """Whether a write would wait for room, so that one has to ask first."""
        self._patience = PATIENCE_S
        self.cut = cut
        """Whether the last line broke off; the next begins on a line of its own."""

    def offer(self, line: bytes) -> bool:
        """Write a line that ends with a newline, if there is room; whether all of it went."""
        return not (self._waits and not self.has_room()) and self.put(line)

    def has_room(self) -> bool:
        """Whether a line would be taken now, or soon; others may write in between, and then it is not."""
        if not self.may_be_full:
            return True
        room = _takes_more(self._descriptor, self._patience)
        self._patience = PATIENCE_S if room else 0.0
        return room

    def put(self, line: bytes) -> bool:
        """Write what there is room for, waiting for more as ``has_room`` does; whether all of it went."""
        text = b"\n" + line if self.cut else line
        done = max(0, self._piece(text))
        while done < len(text) and self.may_be_full and self.has_room():
            more = self._piece(text[done : done + _PIECE])
            if more <= 0:
                break
            done += more
        whole = done == len(text)
        if whole:
            self._patience = PATIENCE_S
        self.cut = self.cut if not done else not whole
        return whole

    def _piece(self, text: bytes) -> int:
        if self._is_socket:
            return int(_send(self._descriptor, text, len(text), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL))
        return int(_write(self._descriptor, text, len(text)))


def _mode(descriptor: int) -> int:
    """Nothing is waited for where there is no descriptor: writing to it fails at once."""
    try:
        return os.fstat(descriptor).st_mode
    except OSError:
        return stat.S_IFREG


def _takes_more(descriptor: int, seconds: float) -> bool:
    """``poll``, for ``select`` knows no descriptor above 1023. What is broken takes everything, and says so then."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    return bool(waiting.poll(seconds * 1000))


def _own_way(descriptor: int) -> int:
    """Another descriptor of the same pipe or terminal that never waits: the flag would hold for all who share this one.

    Where it cannot be opened (it belongs to somebody else), this one has to do.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    if not os.get_blocking(descriptor):
        return descriptor
    try:
        return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        return descriptor
