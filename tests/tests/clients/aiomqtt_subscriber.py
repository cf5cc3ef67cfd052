"""A subscriber on aiomqtt: host port level filter..., one line per message: topic, a space, the payload."""
import asyncio
import sys

import aiomqtt

host, port, level, filters = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]


async def main():
    async with aiomqtt.Client(host, port, protocol=aiomqtt.ProtocolVersion(level)) as client:
        await client.subscribe([(f, 1) for f in filters])
        async for message in client.messages:
            print(message.topic, message.payload.decode(), flush=True)


asyncio.run(main())
