"""Steps of run.py: greeting, talking, and coming back after what happens to connections."""

from __future__ import annotations

import asyncio
import copy
import os

import codes
import test_vectors
from chat import Chat, Contact
from client import Peer, Talk, milliseconds
from connection import Connection
from daemon import Daemon
from identity import Identity


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)


def identity_of_order(other: bytes, smaller: bool) -> Identity:
    """A new identity whose PeerId is smaller than the other one, or larger."""
    while True:
        identity = Identity(os.urandom(32))
        if (identity.peer_id < other) == smaller:
            return identity


async def befriend(daemon: Daemon, smaller: bool, name: str) -> tuple[Peer, Contact, Talk]:
    """A new peer that redeems an invite of the daemon and exchanges frontiers with it."""
    peer = Peer(identity_of_order(daemon.peer_id, smaller), name)
    (invite,) = await daemon.must("invite")
    contact, addresses = peer.redeem(invite["invite"])
    talk = await peer.talk(contact, addresses[0])
    await talk.until(lambda chat: chat.exchanging)
    return peer, contact, talk


async def ending(connection: Connection) -> int | None:
    """The code with which a connection ends, None when it goes on."""
    try:
        code, _ = await asyncio.wait_for(asyncio.shield(connection.ended), 10)
    except TimeoutError:
        return None
    return code


async def history(daemon: Daemon, peer: Peer) -> list[str]:
    return [item["text"] for item in await daemon.must("history", peer.account.identity.text)]


async def vectors(_: Daemon) -> None:
    """The vectors of what this peer speaks give their results"""
    expect(test_vectors.main() == 0, "a vector fails")


async def greeting(daemon: Daemon) -> None:
    """Handshake with both keys, HELLO, IDENTIFY, PING; frames without meaning are skipped"""
    peer = Peer(Identity(os.urandom(32)), "Greeter")
    connection = await peer.dial(daemon.address, daemon.peer_id)
    expect(connection.peer == daemon.peer_id, "another peer answered")
    hello = connection.hello
    expect(1 in hello["capabilities"], "the daemon does not chat")
    kinds = [extension["kind"] for extension in hello["extensions"]]
    expect(any(kind & 0x0F0F == 0x0A0A for kind in kinds), "HELLO has no reserved extension")
    identify = await asyncio.wait_for(connection.identified, 5)
    expect(connection.skipped >= 1, "no reserved frame came")
    expect(identify["revision"] == 1, "the first revision is not 1")
    expect(identify["addresses"] == [], "a stranger is told addresses")
    port = connection._transport.get_extra_info("sockname")[1]
    expect(identify["observed"] is not None, "nothing was observed")
    expect(identify["observed"].port == port, "another port was observed")
    for _ in range(20):
        nonce = int.from_bytes(os.urandom(8), "little")
        expect(await asyncio.wait_for(connection.ask_ping(nonce), 5) == nonce, "another nonce")
    await connection.leave()


async def wrong_peer(daemon: Daemon) -> None:
    """A dialer that expects another PeerId fails the handshake"""
    peer = Peer(Identity(os.urandom(32)), "Dialer")
    try:
        await peer.dial(daemon.address, Identity(os.urandom(32)).peer_id)
    except ConnectionError:
        return
    raise AssertionError("the handshake did not fail")


async def stranger(daemon: Daemon) -> None:
    """Without an invite, the daemon notes a request and opens no chat"""
    peer = Peer(Identity(os.urandom(32)), "Stranger")
    contact = peer.account.contact(daemon.peer_id)
    talk = await peer.talk(contact, daemon.address)
    me = peer.account.identity.text
    await eventually(lambda: requested(daemon, me), "no request is listed")
    expect(talk.chat.device is None, "the daemon opened a chat")
    await daemon.must("accept", me)
    await talk.until(lambda chat: chat.exchanging)
    await talk.say("thank you for accepting me")
    expect(await history(daemon, peer) == ["thank you for accepting me"], "it is not in history")
    await talk.connection.leave()


async def refused(daemon: Daemon) -> None:
    """Whom the daemon's user turns away loses the connection with REFUSED, now and later"""
    peer = Peer(Identity(os.urandom(32)), "Pest")
    contact = peer.account.contact(daemon.peer_id)
    me = peer.account.identity.text
    for attempt in range(2):
        talk = await peer.talk(contact, daemon.address)
        if attempt == 0:
            await eventually(lambda: requested(daemon, me), "no request is listed")
            await daemon.must("refuse", me)
        ended = await ending(talk.connection)
        expect(ended == codes.REFUSED, f"closed with {codes.NAMES.get(ended, ended)}")
        expect(not await requested(daemon, me), "a request of somebody refused is listed")


async def requested(daemon: Daemon, peer: str) -> bool:
    return any(request["peer_id"] == peer for request in await daemon.must("requests"))


async def eventually(condition, otherwise: str) -> None:
    """Waits until `await condition()` is true, for at most 10 s."""
    for _ in range(100):
        if await condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(otherwise)


async def conversation(daemon: Daemon, smaller: bool) -> None:
    peer, contact, talk = await befriend(daemon, smaller, "Python")
    contacts = {item["peer_id"]: item for item in await daemon.must("contacts")}
    me = peer.account.identity.text
    expect(contacts[me]["verified"], "the contact is not verified")

    said = ["first from Python", "你好 👋", "long " * 10000]
    for text in said:
        await talk.say(text)
    expect(await history(daemon, peer) == said, "history shows something else")
    expect([item["text"] for item in await daemon.must("recv", "--from", me)] == said, "recv")
    await talk.until(lambda chat: chat.talk.own.read_by_peer == len(said))

    answers = ["first from dchat", "再见"]
    for text in answers:
        (result,) = await daemon.must("send", me, text)
        expect(result["state"] == "delivered", f"the state is {result['state']}")
    await talk.until(lambda _: talk.texts() == answers)
    talk.do(Chat.mark_read)

    # Both at once, many: order within each log, none lost, none twice.
    await asyncio.gather(
        *(talk.say(f"python {number}") for number in range(30)),
        *(daemon.must("send", me, f"dchat {number}") for number in range(5)),
    )
    await talk.until(lambda _: len(talk.texts()) == 7)
    expect(sorted(talk.texts()[2:]) == [f"dchat {number}" for number in range(5)], "other texts")
    shown = [item["text"] for item in await daemon.must("history", me, "-n", "100")]
    python = [text for text in shown if text.startswith("python ")]
    expect(python == [f"python {number}" for number in range(30)], "lost, doubled or out of order")
    expect(contact.conversation.forks == 0, "a fork")
    expect(len(contact.sessions) == 1, "more than one session")
    await talk.connection.leave()


async def smaller(daemon: Daemon) -> None:
    """An invite is redeemed, messages and acknowledgements both ways; this side makes the session"""
    await conversation(daemon, True)


async def larger(daemon: Daemon) -> None:
    """The same, and the daemon makes the session"""
    await conversation(daemon, False)


async def listening(daemon: Daemon) -> None:
    """The daemon dials this side, both prove their keys, and they talk"""
    peer = Peer(Identity(os.urandom(32)), "Listener")
    listener = await peer.listen()
    me = peer.account.identity.text
    await daemon.must("add", str(listener.address), "--name", "Listener")
    connection = await asyncio.wait_for(listener.accepted.get(), 10)
    expect(connection.peer == daemon.peer_id, "somebody else dialed")
    contact = peer.account.contact(connection.peer)
    talk = Talk(peer.account, contact, connection)
    await talk.until(lambda chat: chat.exchanging)
    (result,) = await daemon.must("send", "Listener", "I dialed")
    expect(result["state"] == "delivered", "not delivered")
    await talk.until(lambda _: talk.texts() == ["I dialed"])
    await talk.say("and I listened")
    expect(await history(daemon, peer) == ["I dialed", "and I listened"], "history")
    nonce = int.from_bytes(os.urandom(8), "little")
    expect(await asyncio.wait_for(connection.ask_ping(nonce), 5) == nonce, "another nonce")
    (listed,) = [item for item in await daemon.must("peers") if item["peer_id"] == me]
    expect(listed["path"] == "direct", f"the path is {listed['path']}")
    listener.close()


async def reconnect(daemon: Daemon) -> None:
    """What was sent while away comes on the next connection, in the same session"""
    peer, contact, talk = await befriend(daemon, True, "Traveller")
    await talk.say("here")
    session = contact.sessions[0].id
    await talk.connection.leave()
    me = peer.account.identity.text
    code, _ = await daemon.run("send", me, "while away", "--timeout", "1")
    expect(code == 6, f"send ends with {code}, not with 6 (queued)")
    contact.conversation.text("written offline", milliseconds())
    talk = await peer.talk(contact, daemon.address)
    await talk.until(
        lambda chat: chat.talk.own.acknowledged == 2 and talk.texts() == ["while away"]
    )
    expect([one.id for one in contact.sessions] == [session], "another session")
    expect(await history(daemon, peer) == ["here", "while away", "written offline"], "history")
    await talk.connection.leave()


async def restart(daemon: Daemon) -> None:
    """The daemon is killed and started again: the session and the logs go on"""
    peer, contact, talk = await befriend(daemon, False, "Witness")
    await talk.say("before")
    await daemon.kill()
    await daemon.start()
    talk.connection.close()
    talk = await peer.talk(contact, daemon.address)
    await talk.say("after")
    (result,) = await daemon.must("send", peer.account.identity.text, "still here")
    expect(result["state"] == "delivered", "not delivered")
    expect(len(contact.sessions) == 1, "another session")
    expect(await history(daemon, peer) == ["before", "after", "still here"], "history")
    await talk.connection.leave()


async def forgetful(daemon: Daemon) -> None:
    """A side that lost its sessions gets a new one, made by either"""
    for smaller in (True, False):
        peer, contact, talk = await befriend(daemon, smaller, f"Forgetful-{smaller}")
        await talk.say("one")
        await talk.connection.leave()
        contact.sessions.clear()
        talk = await peer.talk(contact, daemon.address)
        await talk.say("two")
        (result,) = await daemon.must("send", peer.account.identity.text, "three")
        expect(result["state"] == "delivered", "not delivered")
        expect(await history(daemon, peer) == ["one", "two", "three"], "history")
        await talk.connection.leave()


async def undecryptable(daemon: Daemon) -> None:
    """A session lost in the middle of a connection is repaired by UNDECRYPTABLE"""
    peer, contact, talk = await befriend(daemon, True, "Amnesiac")
    await talk.say("one")
    lost = contact.sessions.pop()
    (result,) = await daemon.must("send", peer.account.identity.text, "two")
    expect(result["state"] == "delivered", "not delivered")
    expect(lost.id not in [session.id for session in contact.sessions], "the lost session is back")
    await talk.say("three")
    expect(await history(daemon, peer) == ["one", "two", "three"], "history")
    await talk.connection.leave()


async def rolled_back(daemon: Daemon) -> None:
    """A side that goes on from an old copy of itself begins a new incarnation; nothing is lost"""
    for agreed, forgotten, rewritten in ((2, 3, 0), (3, 2, 4), (0, 1, 2)):
        peer, contact, talk = await befriend(daemon, agreed % 2 == 0, "Copied")
        texts = [f"agreed {number}" for number in range(agreed)]
        for text in texts:
            await talk.say(text)
        copied = copy.deepcopy(contact)
        for number in range(forgotten):
            texts.append(f"forgotten {number}")
            await talk.say(texts[-1])
        await talk.connection.leave()

        peer.account.contacts[daemon.peer_id] = contact = copied
        for number in range(rewritten):
            texts.append(f"rewritten {number}")
            contact.conversation.text(texts[-1], milliseconds())
        talk = await peer.talk(contact, daemon.address)
        await talk.until(lambda chat: len(chat.talk.former) == 1 and chat.exchanging)
        texts.append("here again")
        await talk.say(texts[-1])
        expect(sorted(await history(daemon, peer)) == sorted(texts), "lost or doubled")
        (result,) = await daemon.must("send", peer.account.identity.text, "welcome back")
        expect(result["state"] == "delivered", "not delivered")
        await talk.connection.leave()


async def no_relay(daemon: Daemon) -> None:
    """Who takes this side for a relay is told that it is none"""
    peer = Peer(Identity(os.urandom(32)), "NoRelay")
    listener = await peer.listen()
    mistaken = Daemon(
        daemon.binary, daemon.home.parent / "mistaken", "--relay", str(listener.address)
    )
    try:
        await mistaken.start()
        connection = await asyncio.wait_for(listener.accepted.get(), 20)
        async with asyncio.timeout(20):
            while not connection.refused_to_relay:
                await asyncio.sleep(0.05)
        # It takes the answer for one: the connection goes on.
        expect(await asyncio.wait_for(connection.ask_ping(1), 5) == 1, "another nonce")
    finally:
        await mistaken.kill()
        listener.close()


async def roaming(daemon: Daemon) -> None:
    """This side moves to another port: it answers the path probes, and the connection goes on"""
    peer, contact, talk = await befriend(daemon, True, "Roamer")
    await talk.say("from the first port")
    before = talk.connection.probes_answered
    await talk.connection.move()
    await talk.say("from the second port")
    (result,) = await daemon.must("send", peer.account.identity.text, "found you")
    expect(result["state"] == "delivered", "not delivered")
    expect(talk.connection.probes_answered > before, "no probe came to the new port")
    expect(
        await history(daemon, peer) == ["from the first port", "from the second port", "found you"],
        "history",
    )
    await talk.connection.leave()


async def duplicate(daemon: Daemon) -> None:
    """Of two connections of one dialer the later one is kept"""
    peer, contact, first = await befriend(daemon, True, "Twice")
    second = await peer.talk(contact, daemon.address)
    ended = await ending(first.connection)
    expect(ended == codes.DUPLICATE, f"closed with {codes.NAMES.get(ended, ended)}")
    await second.say("on the second")
    await second.connection.leave()
