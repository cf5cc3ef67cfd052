"""A device on aiomqtt: host port level device birth-file."""
import asyncio
import sys

import aiomqtt

host, port, level, device, birth = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
base = f"halo/v1/d/{device}"


def client():
    will = aiomqtt.Will(f"{base}/state", "offline", qos=1, retain=True)
    protocol = aiomqtt.ProtocolVersion(level)
    return aiomqtt.Client(host, port, identifier=device, protocol=protocol, will=will)


async def readings(to, numbers):
    for n in numbers:
        await to.publish(f"{base}/t", f'{{"time":{1700000000 + n},"hr":{60 + n}}}', qos=1)


async def main():
    async with client() as first:
        with open(birth, "rb") as file:
            await first.publish(f"{base}/birth", file.read(), qos=1, retain=True)
        await readings(first, range(3))
    async with client() as second:
        await readings(second, range(3, 5))
        print("acknowledged", flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
