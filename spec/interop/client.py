#!/usr/bin/env python3
"""A DChat peer that dials: redeems an invite, says something, and shows what comes.

python client.py LINK [TEXT]…
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import codes
from address import Address
from bodies import TEXT
from chat import Account, Chat, Contact
from codes import Violation, violation_of
from connection import Connection, connect
from encoding import Refused
from frames import reserved_frame
from identity import DEVICE, DEVICE_RECORD, Identity, open_record, peer_text
from invite import invite_proof, read_invite
from listener import Listener, listen


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def printable(text: str) -> str:
    """A peer's text without what controls a terminal or the direction of text."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text
    )


class Peer:
    """This side. It holds at most one connection to each contact."""

    def __init__(self, identity: Identity, name: str):
        self.account = Account(identity, name, os.urandom, milliseconds)
        self.instance = os.urandom(16)

    def redeem(self, link: str) -> tuple[Contact, list[Address]]:
        """The inviter as a contact whose key the link has verified, and where it is."""
        invite = read_invite(link)
        peer, now = invite["peer"], milliseconds()
        open_record(invite["device"], DEVICE, DEVICE_RECORD, peer, now)
        if invite["expires_at"] <= now:
            raise Refused("expired", "Invite.expires_at")
        mac = invite_proof(invite["secret"], peer, self.account.identity.peer_id)
        contact = self.account.contact(peer, {"invite": invite["id"], "mac": mac})
        return contact, invite["addresses"]

    async def dial(self, address: Address, peer: bytes | None) -> Connection:
        return await connect(self.account.identity, self.instance, address, peer)

    async def listen(self, host: str = "127.0.0.1") -> Listener:
        return await listen(self.account.identity, self.instance, host)

    async def talk(self, contact: Contact, address: Address) -> Talk:
        """A connection on which both sides have opened the chat."""
        connection = await self.dial(address, contact.conversation.peer)
        return Talk(self.account, contact, connection)


class Talk:
    """A conversation on one connection."""

    def __init__(self, account: Account, contact: Contact, connection: Connection):
        self.chat, self.connection = Chat(account, contact), connection
        self.moved = asyncio.Event()
        self.chat.open()
        self.chat.out.append(reserved_frame(os.urandom(40)))
        self._write()
        connection.handle_chat(self._receive)

    def _receive(self, kind: int, body: bytes) -> None:
        self.chat.receive(kind, body)
        self._write()

    def _write(self) -> None:
        frames, self.chat.out = self.chat.out, []
        for frame in frames:
            self.connection.write_chat(frame)
        self.moved.set()

    def do(self, action) -> None:
        """Does something with the chat of which the peer is to hear."""
        try:
            action(self.chat)
        except Refused as refused:
            self.connection.violation(violation_of(refused))
        except Violation as violation:
            self.connection.violation(violation)
        self._write()

    async def until(self, condition, timeout: float = 15.0) -> None:
        """Waits until `condition(chat)` holds. TimeoutError, or ConnectionError with the code."""
        async with asyncio.timeout(timeout):
            while not condition(self.chat):
                self.moved.clear()
                moved = asyncio.ensure_future(self.moved.wait())
                await asyncio.wait(
                    [moved, self.connection.ended], return_when=asyncio.FIRST_COMPLETED
                )
                moved.cancel()
                if self.connection.ended.done() and not condition(self.chat):
                    code, reason = self.connection.ended.result()
                    name = codes.NAMES.get(code, (hex(code),))[0]
                    raise ConnectionError(f"the connection ended with {name}: {reason}")

    async def say(self, text: str, timeout: float = 15.0) -> dict:
        """Says something; the entry, once the peer has it."""
        log = self.chat.talk.own
        entry = self.chat.talk.text(text, milliseconds())
        self.do(Chat.flush)
        await self.until(lambda _: log.acknowledged >= entry["seq"], timeout)
        return entry

    def texts(self) -> list[str]:
        """The texts that came on this connection."""
        return [
            entry["content"]["body"].decode()
            for entry in self.chat.received
            if entry["content"] is not None and entry["content"]["kind"] == TEXT
        ]


async def main(link: str, texts: list[str]) -> None:
    peer = Peer(Identity(os.urandom(32)), "Python")
    contact, addresses = peer.redeem(link)
    print(f"I am {peer.account.identity.text}")
    talk = await peer.talk(contact, addresses[0])
    print(f"connected to {peer_text(contact.conversation.peer)}")
    for text in texts:
        await talk.say(text)
        print(f"delivered: {text}")
    shown = 0
    try:
        while True:
            await talk.until(lambda _: len(talk.texts()) > shown, timeout=86400)
            for text in talk.texts()[shown:]:
                print(printable(text), flush=True)
            shown = len(talk.texts())
            talk.do(Chat.mark_read)
    except asyncio.CancelledError:
        await talk.connection.leave()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
