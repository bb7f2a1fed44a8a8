"""The baseline: the cost of a click if nothing but the sockets takes time.

`python -m benchmarks.baseline PORT` runs a bare broadcast server, which notifies every member of
each click. It keeps no record, has no database and knows no groups.
"""

import asyncio
import json
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from harness import protocol

MOVED, NOT_YET = (json.dumps(message) for message in (protocol.MOVED, protocol.NOT_YET))


async def run(port: int) -> None:
    """Serve until the process is ended."""
    members: set[ServerConnection] = set()

    async def handle(member: ServerConnection) -> None:
        members.add(member)
        try:
            async for message in member:
                if json.loads(message)["type"] == "click":
                    broadcast(members, MOVED)
                else:
                    await member.send(NOT_YET)
        finally:
            members.discard(member)

    async with serve(handle, "127.0.0.1", port, compression=None, ping_interval=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
