"""What grpc itself is told."""

import asyncio

import grpc

from app.rpc.server import Limits, options
from tests.contract.rpc.wire import frame
from tests.programs import HOST

_SETTINGS, _PING, _GOAWAY = 4, 6, 7


def test_an_idle_client_may_keep_its_connection_alive() -> None:
    """Without calls grpc allows a ping in two hours, and hangs up on the third that comes earlier."""
    told = dict(options(Limits(threads=1, waiting=1, message_bytes=1024, grace_s=1)))
    interval_ms = 20
    told["grpc.http2.min_ping_interval_without_data_ms"] = interval_ms

    async def go() -> list[int]:
        server = grpc.aio.server(options=list(told.items()))
        port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, b""))
        kinds: list[int] = []
        for count in range(1, 6):
            writer.write(frame(_PING, 0, 0, bytes(8)))
            while kinds.count(_PING) < count and _GOAWAY not in kinds:
                kinds.append(await _kind_of_next(reader))
            await asyncio.sleep(3 * interval_ms / 1000)
        writer.close()
        await server.stop(None)
        return kinds

    kinds = asyncio.run(go())
    assert _GOAWAY not in kinds
    assert kinds.count(_PING) == 5


async def _kind_of_next(reader: asyncio.StreamReader) -> int:
    head = await reader.readexactly(9)
    await reader.readexactly(int.from_bytes(head[:3], "big"))
    return head[3]
