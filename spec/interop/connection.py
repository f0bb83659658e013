"""One connection: 30-transport sections 3 to 5, on aioquic."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic import events

import codes
import frames
import probes
from address import Address
from bodies import HELLO, IDENTIFY, NOT_A_RELAY, PING, RELAY_REFUSED
from codes import Violation, violation_of
from encoding import Refused, decode_body, reserved_extension
from frames import FrameReader, frame, reserved_frame
from identity import Identity
from quic import Quic

CHAT_CAPABILITY = 1
HELLO_TIMEOUT, KEEPALIVE, FIRST_FRAME_TIMEOUT = 5.0, 15.0, 10.0
ASKS, ASK_AGAIN = 5, 0.3  # questions to an address that does not answer, and the time between two
HELD_BACK = 1 << 18  # bytes of other streams before HELLO
STREAMS = 64  # that have not ended
QUESTIONS = (frames.PING, frames.RELAY_RESERVE, frames.RELAY_CONNECT)
CONTROL, CHAT, QUESTION, ANSWER, REFUSED = "control", "chat", "question", "answer", "refused"


def common_version(one, other) -> int:
    version = min(one[1], other[1])
    if version < max(one[0], other[0]):
        raise Refused("no-common-version")
    return version


class Stream:
    """A stream of the peer, or the answers on one of ours. `role` is set by its first known frame."""

    def __init__(self, role: str | None = None):
        self.reader, self.role, self.asked = FrameReader(), role, False


class Connection(QuicConnectionProtocol):
    """A connection that greets by itself and hands chat frames to `chat`, see `Peer` in client.py."""

    def __init__(self, quic: Quic, instance: bytes):
        super().__init__(quic)
        loop = asyncio.get_running_loop()
        self.instance = instance
        self.streams: dict[int, Stream] = {}
        self.held_back: list[tuple[int, Stream, int, bytes]] = []
        self.hello: dict | None = None
        self.identify: dict | None = None
        self.pings: dict[int, asyncio.Future] = {}
        self.up, self.identified, self.ended = (loop.create_future() for _ in range(3))
        self.control: int | None = None  # own control stream
        self.chat: int | None = None  # own chat stream
        self.chat_refused: int | None = None  # the code with which the peer stopped it
        self.peer_chat: int | None = None  # the peer's
        self._chat_handler = None
        self.chat_waiting: list[tuple[int, bytes]] = []  # until there is a handler
        self.probes_answered = self.refused_to_relay = 0
        self.revision = 0  # of the last IDENTIFY
        self.places: set = set()  # addresses of the peer that have answered, as a side that was dialed
        self.asked: dict = {}  # transactions of the address that is being asked
        self.task: asyncio.Task | None = None

    @property
    def peer(self) -> bytes:
        return self._quic.peer

    def handle_chat(self, handler) -> None:
        """Chat frames go to `handler(kind, body)` from now on, with those that already came."""
        self._chat_handler = handler
        waiting, self.chat_waiting = self.chat_waiting, []
        for kind, body in waiting:
            self._guard(handler, kind, body)

    # --- events of QUIC ------------------------------------------------------------------------

    def datagram_received(self, data, addr) -> None:
        if data and data[0] & 0x40:
            super().datagram_received(data, addr)
        else:
            self.answer_probe(data, addr)

    def _probe_keys(self):
        """This side's tag and key, and the peer's; None before the handshake is over."""
        keys = self._quic.probe_keys
        if keys is None:
            return None
        if self._quic.configuration.is_client:
            return keys.dialer, keys.listener
        return keys.listener, keys.dialer

    def answer_probe(self, data: bytes, addr) -> None:
        """Answers an ASK of this connection, takes an ANSWER to its own, and drops anything else."""
        keys = self._probe_keys()
        if keys is None:
            return
        own, theirs = keys
        try:
            kind, transaction, _ = probes.read_probe(theirs, data)
        except Refused:
            return
        if kind == probes.ASK:
            self.probes_answered += 1
            self._transport.sendto(probes.answer(own, transaction, *addr[:2]), addr)
        elif transaction in self.asked.get(addr, ()):
            self.asked.clear()
            self.places.add(addr)
            self._identify(addr)

    def is_place(self, addr) -> bool:
        """Whether the peer may be at `addr`: it began there, or answered there. Any other is asked."""
        keys = self._probe_keys()
        if not self.places:
            self.places.add(addr)
        if addr in self.places or keys is None:
            return addr in self.places
        if not self.asked:
            self.asked[addr] = set()
            self._ask(keys[0], addr)
        return False

    def _ask(self, own, addr) -> None:
        transactions = self.asked.get(addr)
        if transactions is None or self.ended.done():
            return
        if len(transactions) == ASKS:
            self.asked.clear()
            return
        transaction = os.urandom(8)
        transactions.add(transaction)
        self._transport.sendto(probes.ask(own, transaction), addr)
        asyncio.get_running_loop().call_later(ASK_AGAIN, self._ask, own, addr)

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.HandshakeCompleted):
            self._guard(self._greet)
        elif isinstance(event, events.StreamDataReceived):
            self._guard(self._receive, event.stream_id, event.data, event.end_stream)
        elif isinstance(event, events.StreamReset):
            self._guard(self._stream_ended, event.stream_id)
        elif isinstance(event, events.StopSendingReceived):
            if event.stream_id == self.chat:
                self.chat_refused = event.error_code
        elif isinstance(event, events.ConnectionTerminated):
            self._terminated(event)

    def _guard(self, action, *arguments) -> None:
        """Closes the connection with the code of what `action` finds wrong."""
        try:
            action(*arguments)
        except Refused as refused:
            self.violation(violation_of(refused))
        except Violation as violation:
            self.violation(violation)

    def violation(self, violation: Violation) -> None:
        self.close(violation.code, violation.what)
        if not self.ended.done():
            self.ended.set_result((violation.code, f"closed here: {violation}"))

    def _terminated(self, event: events.ConnectionTerminated) -> None:
        if self.task is not None:
            self.task.cancel()
        if not self.ended.done():
            self.ended.set_result((event.error_code, event.reason_phrase))
        error = ConnectionError(f"closed with {event.error_code:#x}: {event.reason_phrase}")
        for waiter in (self.up, self.identified, *self.pings.values()):
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # whoever waits sees it; nobody has to

    # --- greeting ------------------------------------------------------------------------------

    def _greet(self) -> None:
        if self.peer == self._quic.own:
            raise Violation(codes.MYSELF, "the peer's key is our own")
        hello = {
            "versions": (1, 1),
            "instance": self.instance,
            "roles": 0,
            "capabilities": [CHAT_CAPABILITY],
            "extensions": [reserved_extension(os.urandom(40))],
        }
        self.control = self._quic.get_next_available_stream_id(is_unidirectional=True)
        self.write(self.control, frame(frames.HELLO, HELLO.encode(hello)))
        self.write(self.control, reserved_frame(os.urandom(40)))
        self._identify(self._quic._network_paths[0].addr)
        self.task = asyncio.create_task(self._watch())

    def _identify(self, addr) -> None:
        """Says where the peer is seen: IDENTIFY at first, IDENTIFY_PUSH when it has changed."""
        self.revision += 1
        identify = {
            "revision": self.revision,
            "observed": Address(ipaddress.ip_address(addr[0]), addr[1]),
            "addresses": [],
            "extensions": [],
        }
        kind = frames.IDENTIFY if self.revision == 1 else frames.IDENTIFY_PUSH
        self.write(self.control, frame(kind, IDENTIFY.encode(identify)))

    async def _watch(self) -> None:
        """The time limit of HELLO, then keepalives."""
        await asyncio.sleep(HELLO_TIMEOUT)
        if self.hello is None:
            self.violation(Violation(codes.TIMEOUT, "no HELLO in time"))
            return
        while True:
            await asyncio.sleep(KEEPALIVE)
            self._quic.send_ping(0)
            self.transmit()

    def write(self, stream: int, data: bytes, end: bool = False) -> None:
        try:
            self._quic.send_stream_data(stream, data, end)
        except RuntimeError:
            return  # aioquic resets a stream that the peer stopped: nobody wants the answer
        self._transmit_soon()

    # --- streams -------------------------------------------------------------------------------

    def _receive(self, stream_id: int, data: bytes, end: bool) -> None:
        if self.ended.done():
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            if len(self.streams) == STREAMS:
                raise Violation(codes.LIMIT, "too many streams")
            stream = self.streams[stream_id] = Stream()
            loop = asyncio.get_running_loop()
            loop.call_later(FIRST_FRAME_TIMEOUT, self._late, stream_id, stream)
        if stream.role == REFUSED:
            return
        for kind, body in stream.reader.feed(data):
            self._frame(stream_id, stream, kind, body)
            if stream.role == REFUSED or self.ended.done():
                return
        if end:
            stream.reader.end()
            waits = any(held is stream for _, held, *_ in self.held_back)
            if stream.role is None and not stream_id & 2 and not waits:
                self.write(stream_id, b"", end=True)  # nothing was asked
            self._stream_ended(stream_id)

    def _late(self, stream_id: int, stream: Stream) -> None:
        """Refuses a stream whose first known frame has not come whole in time."""
        if stream.role is None and self.streams.get(stream_id) is stream and not self.ended.done():
            self._refuse(stream_id, stream, codes.TIMEOUT)

    def _frame(self, stream_id: int, stream: Stream, kind: int, body: bytes) -> None:
        if self.hello is None and kind != frames.HELLO:
            self._hold_back(stream_id, stream, kind, body)
            return
        if stream.role is None:
            stream.role = self._role(stream_id, kind)
        if stream.role == CONTROL:
            self._control_frame(kind, body)
        elif stream.role == CHAT:
            if self.peer_chat is None or kind == frames.CHAT_OPEN:
                if self.peer_chat == stream_id:
                    raise Violation(codes.UNEXPECTED, "CHAT_OPEN twice on a stream")
                self.peer_chat = stream_id
            if self.peer_chat == stream_id:
                self._chat_frame(kind, body)
        elif stream.role == QUESTION:
            if stream.asked:
                raise Violation(codes.UNEXPECTED, "a second question on a stream")
            stream.asked = True
            self.write(stream_id, self._answer(kind, body), end=True)
        elif stream.role == ANSWER and kind == frames.PONG:
            waiter = self.pings.pop(stream_id, None)
            if waiter is None:
                raise Violation(codes.UNEXPECTED, "a second answer")
            waiter.set_result(decode_body(PING, body)["nonce"])
        else:
            self._refuse(stream_id, stream)

    def _chat_frame(self, kind: int, body: bytes) -> None:
        if self._chat_handler is not None:
            self._chat_handler(kind, body)
            return
        self.chat_waiting.append((kind, body))
        if sum(len(body) for _, body in self.chat_waiting) > HELD_BACK:
            raise Violation(codes.LIMIT, "too much before the chat was opened")

    def _role(self, stream_id: int, kind: int) -> str | None:
        """What a stream of the peer is, by its first known frame."""
        unidirectional = stream_id & 2
        if unidirectional and kind == frames.HELLO:
            return CONTROL
        if unidirectional and kind == frames.CHAT_OPEN:
            return CHAT
        if not unidirectional and kind in QUESTIONS:
            return QUESTION
        return None

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == frames.PING:
            nonce = decode_body(PING, body)["nonce"]
            return frame(frames.PONG, PING.encode({"nonce": nonce, "extensions": []}))
        self.refused_to_relay += 1
        refusal = {"reason": NOT_A_RELAY, "retry_after_s": 0, "extensions": []}
        return frame(frames.RELAY_REFUSED, RELAY_REFUSED.encode(refusal))

    def _hold_back(self, stream_id: int, stream: Stream, kind: int, body: bytes) -> None:
        """Nothing is processed before HELLO."""
        self.held_back.append((stream_id, stream, kind, body))
        if sum(len(body) for *_, body in self.held_back) > HELD_BACK:
            raise Violation(codes.LIMIT, "too much before HELLO")

    def _refuse(self, stream_id: int, stream: Stream, code: int = codes.UNEXPECTED) -> None:
        stream.role = REFUSED
        self._quic.stop_stream(stream_id, code)
        if not stream_id & 2:
            self._quic.reset_stream(stream_id, code)
        self._transmit_soon()

    def _stream_ended(self, stream_id: int) -> None:
        stream = self.streams.pop(stream_id, None)
        if stream is not None and stream.role == CONTROL:
            raise Violation(codes.UNEXPECTED, "the control stream ended")
        if stream_id == self.peer_chat:
            self.peer_chat = None
        waiter = self.pings.pop(stream_id, None)
        if waiter is not None:
            waiter.set_exception(ConnectionError("no answer"))

    def _control_frame(self, kind: int, body: bytes) -> None:
        if kind == frames.HELLO:
            if self.hello is not None:
                raise Violation(codes.UNEXPECTED, "a second HELLO")
            hello = decode_body(HELLO, body)
            try:
                common_version((1, 1), hello["versions"])
            except Refused:
                raise Violation(codes.VERSION, "no version in common") from None
            self.hello = hello
            self.up.set_result(hello)
            held, self.held_back = self.held_back, []
            for item in held:
                self._frame(*item)
        elif kind == frames.IDENTIFY and self.identify is None:
            self.identify = decode_body(IDENTIFY, body)
            self.identified.set_result(self.identify)
        elif kind == frames.IDENTIFY_PUSH and self.identify is not None:
            identify = decode_body(IDENTIFY, body)
            if identify["revision"] > self.identify["revision"]:
                self.identify = identify
        elif kind in (frames.CANDIDATES, frames.PUNCH):
            pass  # hole punching, which this peer does not offer
        else:
            raise Violation(codes.UNEXPECTED, f"frame {kind:#06x} on the control stream")

    # --- what the layers above do --------------------------------------------------------------

    async def ask_ping(self, nonce: int) -> int:
        """Asks PING, behind a frame without meaning, and returns the nonce of PONG."""
        stream_id = self._quic.get_next_available_stream_id()
        self.streams[stream_id] = Stream(ANSWER)
        waiter = self.pings[stream_id] = asyncio.get_running_loop().create_future()
        self.write(stream_id, reserved_frame(os.urandom(40)))
        question = PING.encode({"nonce": nonce, "extensions": [reserved_extension(os.urandom(40))]})
        self.write(stream_id, frame(frames.PING, question), end=True)
        return await waiter

    def write_chat(self, data: bytes) -> None:
        """Writes to the chat stream, which the first bytes open."""
        if self.ended.done() or self.chat_refused is not None:
            return
        if self.chat is None:
            self.chat = self._quic.get_next_available_stream_id(is_unidirectional=True)
        self.write(self.chat, data)

    async def move(self) -> None:
        """Goes on from another port, as after a change of network."""
        old = self._transport
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self,
            family=old.get_extra_info("socket").family,
            local_addr=(old.get_extra_info("sockname")[0], 0),
        )
        old.abort()
        self._quic.send_ping(0)
        self.transmit()

    @property
    def skipped(self) -> int:
        """Frames of unknown types that were skipped on the streams that live."""
        return sum(stream.reader.skipped for stream in self.streams.values())

    async def leave(self) -> None:
        """Ends the connection with DONE."""
        self.close(codes.DONE, "")
        await self.wait_closed()
        if self._quic.configuration.is_client:
            self._transport.close()


async def connect(identity: Identity, instance: bytes, address: Address, peer: bytes | None):
    """A connection to `address` that is up. With `peer`, the handshake fails for any other."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET if address.ip.version == 4 else socket.AF_INET6
    wildcard = "0.0.0.0" if address.ip.version == 4 else "::"
    _, connection = await loop.create_datagram_endpoint(
        lambda: Connection(Quic(identity, peer), instance),
        family=family,
        local_addr=(wildcard, 0),
    )
    connection.connect((str(address.ip), address.port))
    await connection.up
    return connection
