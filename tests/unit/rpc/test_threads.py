"""Bounded threads, bounded waiting, and nothing kept alive."""

import asyncio
import gc
import threading
import weakref
from contextlib import suppress

import pytest

from app.errors import Overloaded
from app.rpc.threads import Threads


def test_answers_and_errors_come_back() -> None:
    async def go() -> None:
        threads = Threads(2, 2)
        assert await threads.run(lambda: 7) == 7
        with pytest.raises(ValueError, match="bad"):
            await threads.run(lambda: int("bad"))
        assert await threads.run(threading.current_thread) is not threading.main_thread()
        threads.close()

    asyncio.run(go())


def test_places_are_counted_to_the_end_of_the_work() -> None:
    """Two work, one waits, the fourth is refused; a caller that goes away frees nothing before its work is over."""

    async def go() -> None:
        threads, gate = Threads(2, 1), threading.Event()
        calls = [asyncio.ensure_future(threads.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await threads.run(lambda: None)
        calls[0].cancel()
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await threads.run(lambda: None)
        gate.set()
        assert await asyncio.gather(*calls[1:]) == [True, True]
        await asyncio.sleep(0.05)
        assert await asyncio.gather(*(threads.run(lambda: 1) for _ in range(3))) == [1, 1, 1]
        threads.close()

    asyncio.run(go())


def test_work_that_nobody_waits_for_is_not_begun() -> None:
    async def go() -> list[int]:
        threads, gate, begun = Threads(1, 5), threading.Event(), list[int]()
        first = asyncio.ensure_future(threads.run(gate.wait))
        others = [asyncio.ensure_future(threads.run(lambda at=at: begun.append(at))) for at in range(3)]  # type: ignore[misc]
        await asyncio.sleep(0.05)
        others[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, others[0], others[2])
        threads.close()
        return begun

    assert asyncio.run(go()) == [0, 2]


class _Message:
    """Stands for the bytes of a call."""


def _refuse(message: _Message) -> None:
    raise ValueError(str(type(message)))


@pytest.mark.parametrize("fails", [True, False])
def test_a_call_leaves_nothing_behind(fails: bool) -> None:
    """Neither the thread nor an error's traceback holds on to what the call brought, without any help of gc."""

    async def go() -> None:
        threads = Threads(1, 1)
        message = _Message()
        gone = weakref.ref(message)

        async def call(held: _Message) -> None:
            with suppress(ValueError):
                await threads.run(lambda: _refuse(held) if fails else None)

        gc.disable()
        try:
            await call(message)
            del message
            await asyncio.sleep(0.2)
            assert gone() is None
        finally:
            gc.enable()
        threads.close()

    asyncio.run(go())
