#!/usr/bin/env python3
"""Listens on loopback as a peer that knows nobody: what the conformance runner plays against.

    python serve.py [RUNNER]

prints its address and listens until it is ended. With RUNNER, the program dchat-conformance, it has the profile
core run against itself and ends as that does: with 0 when every case passes, and with 1 otherwise.
"""

from __future__ import annotations

import asyncio
import os
import sys

import codes
from codes import Violation
from connection import Connection
from identity import Identity
from listener import Listener, listen


async def serve(listener: Listener) -> None:
    """A connection greets and answers by itself; nobody here wants to talk."""
    newest: dict[bytes, Connection] = {}  # of each peer; as many as the listener holds
    while True:
        connection = await listener.accepted.get()
        newest = {peer: one for peer, one in newest.items() if not one.ended.done()}
        # This side dials nobody, so the later of two that a peer dialed stays (DC-CONN-040).
        older = newest.get(connection.peer)
        if older is not None:
            older.violation(Violation(codes.DUPLICATE, "a later connection"))
        newest[connection.peer] = connection


async def main(runner: str | None) -> int:
    listener = await listen(Identity(os.urandom(32)), os.urandom(16), "127.0.0.1")
    print(listener.address, flush=True)
    serving = asyncio.create_task(serve(listener))
    if runner is None:
        await serving
    arguments = ["network", str(listener.address), "--profile", "core"]
    process = await asyncio.create_subprocess_exec(runner, *arguments)
    ended = await process.wait()
    serving.cancel()
    return ended


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None)))
