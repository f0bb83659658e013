"""A `dchat daemon` in a home of its own, driven through its command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from address import Address, address_from_text

START_TIMEOUT, COMMAND_TIMEOUT = 30, 60


class Daemon:
    def __init__(self, binary: Path, home: Path, *options: str):
        self.binary, self.home, self.options = binary, home, options
        self.process: asyncio.subprocess.Process | None = None
        self.address: Address | None = None
        self.listen = "/ip4/127.0.0.1/udp/0/quic-v1"

    async def start(self) -> None:
        """Begins to run, and listens on loopback; again at the same address after a stop."""
        if self.address is not None:
            self.listen = f"/ip4/{self.address.ip}/udp/{self.address.port}/quic-v1"
        self.process = await asyncio.create_subprocess_exec(
            str(self.binary),
            "--home",
            str(self.home),
            "--json",
            "daemon",
            "--listen",
            self.listen,
            "--no-mdns",
            "--no-dht",
            *self.options,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(START_TIMEOUT):
            while line := await self.process.stdout.readline():
                event = json.loads(line)
                if event["event"] == "listening":
                    self.address = address_from_text(event["addr"])
                    break
            else:
                raise RuntimeError("the daemon ended before it listened")
        # Events go on; nobody may make the daemon wait for a reader.
        self.drain = asyncio.create_task(self.process.stdout.read())

    @property
    def peer_id(self) -> bytes:
        return self.address.peer

    async def kill(self) -> None:
        """As a crash: nothing is said to anybody."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def run(self, *arguments: str) -> tuple[int, list[dict]]:
        """The exit code of a command, and the objects it prints."""
        process = await asyncio.create_subprocess_exec(
            str(self.binary),
            "--home",
            str(self.home),
            "--json",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(COMMAND_TIMEOUT):
            output, _ = await process.communicate()
        return process.returncode, [json.loads(line) for line in output.splitlines() if line]

    async def must(self, *arguments: str) -> list[dict]:
        code, objects = await self.run(*arguments)
        if code != 0:
            raise RuntimeError(f"dchat {arguments[0]} ends with {code}: {objects}")
        return objects
