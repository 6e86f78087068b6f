"""WebSocket peer on Python's `websockets`: a server that obeys, or a client that tests one.

    websockets-peer.py server {deflate|plain}             prints its port
    websockets-peer.py client {deflate|plain} URL         prints {"case": "…", "error": null|"…"} for each case

What the server obeys, and the digest over messages, is described in commands.ts.
"""
import asyncio
import hashlib
import json
import random
import sys

import websockets

LIMITS = {"max_size": 64 * 2**20, "ping_interval": None}
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1_000_000]


class Digest:
    def __init__(self):
        self.hash = hashlib.sha256()

    def add(self, message):
        is_text = isinstance(message, str)
        octets = message.encode() if is_text else message
        self.hash.update((b"t" if is_text else b"b") + len(octets).to_bytes(8, "big") + octets)

    def hex(self):
        return self.hash.copy().hexdigest()


def compression(mode):
    return "deflate" if mode == "deflate" else None


async def obey(socket, *_):
    digest = Digest()
    try:
        async for message in socket:
            words = message.split(" ", 2) if isinstance(message, str) else [""]
            if words[0] == "!digest":
                await socket.send(digest.hex())
            elif words[0] == "!close":
                await socket.close(int(words[1]), words[2])
            elif words[0] == "!ping":
                await (await socket.ping(b"are you there"))
                await socket.send("ponged")
            elif words[0] == "!drop":
                socket.transport.abort()
            elif words[0] == "!fragments":
                await socket.send([bytes([n]) * 10_000 for n in range(int(words[1]))])
            else:
                digest.add(message)
                await socket.send(message)
    except websockets.ConnectionClosed:
        pass


async def serve(mode):
    async with websockets.serve(obey, "127.0.0.1", 0, compression=compression(mode), **LIMITS) as server:
        sockets = server.sockets if hasattr(server, "sockets") else server.server.sockets
        print(list(sockets)[0].getsockname()[1], flush=True)
        await asyncio.Future()


def connect(mode, url):
    return websockets.connect(url, compression=compression(mode), **LIMITS)


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {str(got)[:200]} instead of {str(wanted)[:200]}")


async def exchange(socket, messages, sent=None):
    """Sends each message, a list as fragments, and compares its echo; then the digests of both sides."""
    sent = sent or Digest()
    for message in messages:
        whole = type(message[0])().join(message) if isinstance(message, list) else message
        await socket.send(message)
        sent.add(whole)
        got = await socket.recv()
        if got != whole:
            raise AssertionError(f"the echo of {len(whole)} differs")
    await socket.send("!digest")
    expect("digest", await socket.recv(), sent.hex())


async def sizes(socket):
    octets = random.Random(7)
    await exchange(socket, [octets.randbytes(size) for size in SIZES])
    await exchange_text(socket)


async def exchange_text(socket):
    for text in ["", "plain", "\u00fc\u20ac\U0001f600" * 20_000]:
        await socket.send(text)
        expect("text", await socket.recv(), text)


async def fragments_up(socket):
    octets = random.Random(8)
    pieces = [octets.randbytes(size) for size in (1, 65536, 3, 70_000, 500)]
    await exchange(socket, [pieces, ["a", "\u00fc" * 40_000, "z"], [b"only"]])


async def fragments_down(socket):
    await socket.send("!fragments 9")
    expect("fragments", await socket.recv(), b"".join(bytes([n]) * 10_000 for n in range(9)))


async def pings(socket):
    await asyncio.wait_for(await socket.ping(b"x" * 125), 10)
    await socket.send("!ping")
    expect("ping of the server", await socket.recv(), "ponged")


async def close_by_server(socket):
    await socket.send("!close 4002 going away")
    await socket.wait_closed()
    expect("close", (socket.close_code, socket.close_reason), (4002, "going away"))


async def close_by_client(socket):
    await socket.close(4001, "enough")
    expect("close", socket.close_code, 4001)


async def drop(socket):
    await socket.send("!drop")
    await socket.wait_closed()
    expect("close", socket.close_code, 1006)


async def agreed(socket, mode):
    extensions = socket.extensions if hasattr(socket, "extensions") else socket.protocol.extensions
    expect("extensions", [extension.name for extension in extensions], ["permessage-deflate"] if mode == "deflate" else [])


async def many(mode, url):
    async def one(nth):
        octets = random.Random(nth)
        async with connect(mode, url) as socket:
            await exchange(socket, [octets.randbytes(octets.randrange(5000)) for _ in range(20)])

    await asyncio.gather(*(one(nth) for nth in range(40)))


async def client(mode, url):
    async def on_one(act):
        async with connect(mode, url) as socket:
            await act(socket)

    cases = {act.__name__: (lambda act=act: on_one(act)) for act in
             (sizes, fragments_up, fragments_down, pings, close_by_server, close_by_client, drop)}
    cases["agreed"] = lambda: on_one(lambda socket: agreed(socket, mode))
    cases["many"] = lambda: many(mode, url)
    for name, run in cases.items():
        try:
            await asyncio.wait_for(run(), 20)
            error = None
        except Exception as problem:  # one broken case does not hide the others
            error = f"{type(problem).__name__}: {problem}"
        print(json.dumps({"case": name, "error": error}), flush=True)


if sys.argv[1] == "server":
    asyncio.run(serve(sys.argv[2]))
else:
    asyncio.run(client(sys.argv[2], sys.argv[3]))
