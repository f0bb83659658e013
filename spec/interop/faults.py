"""Steps of run.py: what ends a connection and with which code, and what does not."""

from __future__ import annotations

import copy
import os

import codes
import frames
import olm
from bodies import ENVELOPE, HELLO, IDENTIFY, PARCEL, PING, seal_parcel
from chat import Chat
from client import Peer, milliseconds
from daemon import Daemon
from encoding import U64
from frames import frame
from identity import Identity
from steps import befriend, ending, expect, greeting, history


async def odd_but_allowed(daemon: Daemon) -> None:
    """Unknown kinds, stubs, repeats, gaps, forks and lost messages harm nobody"""
    peer, contact, talk = await befriend(daemon, True, "Odd")
    own = contact.conversation.own

    async def acknowledged() -> None:
        await talk.until(lambda _: own.acknowledged == own.held)

    await talk.say("one")
    first = own.entries[0]
    contact.conversation.append(first["content"] | {"kind": 999, "body": b"from the future"})
    talk.do(Chat.flush)
    await acknowledged()

    # An entry that expired before it could be sent: only its place is left.
    contact.conversation.text("never to be seen", milliseconds())["content"] = None
    talk.do(Chat.flush)
    await acknowledged()

    # The same once more, and a message of the ratchet that is lost on its way.
    talk.do(lambda chat: chat._send([], own.entries))
    talk.chat.session.encrypt(b"lost", os.urandom(32))
    await talk.say("two")

    # Another entry in a place that is taken.
    fork = copy.deepcopy(contact.conversation)
    fork.own.entries = fork.own.entries[:3]
    talk.do(lambda chat: chat._send([], [fork.text("never to be seen", milliseconds())]))

    # The entry after the next before the next.
    contact.conversation.text("three", milliseconds())
    contact.conversation.text("four", milliseconds())
    talk.do(lambda chat: chat._send([], own.entries[-1:]))
    talk.do(Chat.flush)
    await acknowledged()
    expect(await history(daemon, peer) == ["one", "two", "three", "four"], "history")
    (result,) = await daemon.must("send", peer.account.identity.text, "fine")
    expect(result["state"] == "delivered", "not delivered")
    await talk.connection.leave()


async def violations(daemon: Daemon) -> None:
    """What may not be sent ends the connection with the code of the documents"""
    nothing = b""
    ping = PING.encode({"nonce": 1, "extensions": []})
    push = IDENTIFY.encode({"revision": 2, "observed": None, "addresses": [], "extensions": []})
    hello = HELLO.encode(
        {
            "versions": (1, 1),
            "instance": bytes(16),
            "roles": 0,
            "capabilities": [],
            "extensions": [],
        }
    )
    no_extensions = U64.encode(0)
    critical = push[: -len(no_extensions)] + U64.encode(1) + b"\x0a\x8a" + U64.encode(0)
    cases = [
        ("a critical frame of unknown type", codes.UNSUPPORTED, frame(0x7777, nothing)),
        ("a critical frame of reserved type", codes.UNSUPPORTED, frame(0x0A0A, nothing)),
        ("a second HELLO", codes.UNEXPECTED, frame(frames.HELLO, hello)),
        ("a second IDENTIFY", codes.UNEXPECTED, frame(frames.IDENTIFY, push)),
        ("PING on the control stream", codes.UNEXPECTED, frame(frames.PING, ping)),
        ("trailing bytes", codes.MALFORMED, frame(frames.IDENTIFY_PUSH, push + b"\0")),
        ("a body that is too short", codes.MALFORMED, frame(frames.IDENTIFY_PUSH, nothing)),
        ("a critical extension", codes.MALFORMED, frame(frames.IDENTIFY_PUSH, critical)),
        ("a length over the limit", codes.MALFORMED, b"\x01\x10\0\0\x03\0\1\0"),
        ("the end of the control stream", codes.UNEXPECTED, None),
    ]
    for what, code, data in cases:
        connection = await Peer(Identity(os.urandom(32)), "Faulty").dial(
            daemon.address, daemon.peer_id
        )
        connection.write(connection.control, data or nothing, end=data is None)
        ended = await ending(connection)
        expect(ended == code, f"{what} is answered with {codes.NAMES.get(ended, ended)}")
    # After all of it, the daemon still serves.
    await greeting(daemon)


async def chat_violations(daemon: Daemon) -> None:
    """What may not be sent in a chat ends the connection, and nothing of it is kept"""
    other = Identity(os.urandom(32)).peer_id

    def frontier(chat: Chat, **changed) -> None:
        chat._send([chat.talk.own.frontier() | changed], [])

    def entry(chat: Chat, **changed) -> None:
        entry = chat.talk.text("never to be seen", milliseconds())
        chat.sent = chat.talk.own.held
        chat._send([], [entry | changed])

    def text(chat: Chat, body: bytes) -> None:
        content = chat.talk.text("never to be seen", milliseconds())["content"]
        chat.talk.own.entries.pop()
        chat.talk.append(content | {"body": body})
        chat.flush()

    def plaintext(chat: Chat, data: bytes) -> None:
        stage, message = chat.session.encrypt(data, os.urandom(32))
        envelope(chat, chat.session.id, stage, message)

    def envelope(chat: Chat, session: bytes, stage: int, message: bytes) -> None:
        body = {"session": session, "stage": stage, "message": message, "extensions": []}
        chat.out.append(frame(frames.ENVELOPE, ENVELOPE.encode(body)))

    def opening(chat: Chat, identity_secret: bytes, session: bytes | None = None) -> None:
        fresh = olm.Session.outbound(
            identity_secret,
            chat.device["identity_key"],
            chat.device["fallback_key"],
            os.urandom(32),
            os.urandom(32),
        )
        stage, message = fresh.encrypt(seal_parcel([], []), os.urandom(32))
        envelope(chat, session or fresh.id, stage, message)

    def other_session(chat: Chat) -> None:
        opening(chat, chat.account.identity_secret, os.urandom(32))

    def other_device(chat: Chat) -> None:
        opening(chat, os.urandom(32))

    ping = frame(frames.PING, PING.encode({"nonce": 1, "extensions": []}))
    unpadded = PARCEL.encode({"frontiers": [], "entries": [], "extensions": [], "padding": b""})
    cases = [
        ("a frontier of somebody else", codes.MALFORMED, lambda chat: frontier(chat, author=other)),
        ("more read than held", codes.MALFORMED, lambda chat: frontier(chat, read=99)),
        ("a tip without entries", codes.MALFORMED, lambda chat: frontier(chat, held=0, read=0)),
        ("a wrong hash", codes.MALFORMED, lambda chat: entry(chat, hash=os.urandom(32))),
        ("an entry 0", codes.MALFORMED, lambda chat: entry(chat, seq=0)),
        ("a text that is not UTF-8", codes.MALFORMED, lambda chat: text(chat, b"\xff")),
        ("a text that is too long", codes.MALFORMED, lambda chat: text(chat, b"x" * 65537)),
        ("a parcel without padding", codes.MALFORMED, lambda chat: plaintext(chat, unpadded)),
        ("a plaintext that is no parcel", codes.MALFORMED, lambda chat: plaintext(chat, b"hello")),
        ("another session than it opens", codes.MALFORMED, other_session),
        ("an opening of another device", codes.MALFORMED, other_device),
        (
            "no Olm message",
            codes.MALFORMED,
            lambda chat: envelope(chat, chat.session.id, olm.NORMAL, b"hello"),
        ),
        ("CHAT_OPEN twice on a stream", codes.UNEXPECTED, Chat.open),
        ("PING on a chat stream", codes.UNEXPECTED, lambda chat: chat.out.append(ping)),
    ]
    for what, code, action in cases:
        peer, contact, talk = await befriend(daemon, True, "Faulty")
        await talk.say("well-behaved")
        talk.do(action)
        ended = await ending(talk.connection)
        expect(ended == code, f"{what} is answered with {codes.NAMES.get(ended, ended)}")
        expect(await history(daemon, peer) == ["well-behaved"], f"{what} left something")
