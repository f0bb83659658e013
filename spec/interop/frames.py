"""Frames on a stream: 10-encoding section 4."""

from __future__ import annotations

from encoding import BODY_MAX, Refused

HEADER = 8
CRITICAL = 1
UNKNOWN_BODY = BODY_MAX

HELLO, IDENTIFY, IDENTIFY_PUSH, PING, PONG = 1, 2, 3, 4, 5
CANDIDATES, PUNCH = 6, 7
CHAT_OPEN, ENVELOPE, UNDECRYPTABLE = 0x10, 0x11, 0x12
RELAY_RESERVE, RELAY_REFUSED, RELAY_CONNECT = 0x20, 0x22, 0x23

# Every type of version 1, with the limit of its body (registry section 1). Types of services that this
# peer does not offer are known too: their frames are neither critical nor skipped by mistake.
TYPES = {
    0x0001: ("HELLO", 2048),
    0x0002: ("IDENTIFY", 4096),
    0x0003: ("IDENTIFY_PUSH", 4096),
    0x0004: ("PING", 1024),
    0x0005: ("PONG", 1024),
    0x0006: ("CANDIDATES", 4096),
    0x0007: ("PUNCH", 1024),
    0x0008: ("REACH", 1024),
    0x0009: ("REACHED", 1024),
    0x0010: ("CHAT_OPEN", 8192),
    0x0011: ("ENVELOPE", 135680),
    0x0012: ("UNDECRYPTABLE", 1024),
    0x0020: ("RELAY_RESERVE", 1024),
    0x0021: ("RELAY_RESERVED", 8192),
    0x0022: ("RELAY_REFUSED", 1024),
    0x0023: ("RELAY_CONNECT", 1024),
    0x0024: ("RELAY_INCOMING", 1024),
    0x0025: ("RELAY_ACCEPT", 1024),
    0x0026: ("RELAY_OPENED", 1024),
    0x0030: ("DHT_FIND", 1024),
    0x0031: ("DHT_NODES", 4096),
    0x0032: ("DHT_GET", 1024),
    0x0033: ("DHT_VALUES", 36864),
    0x0034: ("DHT_PUT", 8192),
    0x0035: ("DHT_STORED", 1024),
    0x0036: ("DHT_REFUSED", 1024),
    0x0040: ("GOSSIP_OPEN", 1024),
    0x0041: ("GOSSIP_LEAVE", 4096),
    0x0042: ("GOSSIP_JOIN", 1024),
    0x0043: ("GOSSIP_SHUFFLE", 4096),
    0x0044: ("GOSSIP_PUSH", 70656),
    0x0045: ("GOSSIP_ANNOUNCE", 16384),
    0x0046: ("GOSSIP_PULL", 20480),
    0x0047: ("GOSSIP_TREE", 20480),
    0x0048: ("GOSSIP_DIGEST", 16),
    0x0049: ("GOSSIP_SKETCH", 40960),
    0x004A: ("GOSSIP_MORE", 8192),
    0x004B: ("GOSSIP_PROOF", 8192),
    0x004C: ("GOSSIP_RANGE", 8192),
    0x004D: ("GOSSIP_SPANS", 8192),
    0x004E: ("GOSSIP_FETCH", 1024),
    0x0050: ("GROUP_OPERATIONS", 163840),
}


def frame(kind: int, body: bytes, flags: int = CRITICAL) -> bytes:
    return (
        len(body).to_bytes(4, "little")
        + kind.to_bytes(2, "little")
        + flags.to_bytes(2, "little")
        + body
    )


def reserved_frame(random: bytes) -> bytes:
    """A frame without meaning (5.1), chosen by at least 3 random bytes."""
    kind = 0x0A0A | (random[0] & 0xF0) << 8 | random[1] & 0xF0
    return frame(kind, random[3 : 3 + random[2] % 33], flags=0)


class FrameReader:
    """The frames of one stream, however its bytes are split. Unknown ones are skipped unbuffered."""

    def __init__(self):
        self.buffer = bytearray()
        self.skip = 0
        self.skipped = 0  # frames of unknown types

    def feed(self, data: bytes):
        """Yields (type, body) of each frame that is now complete. Raises `Refused` for good."""
        self.buffer += data
        while True:
            skipped = min(self.skip, len(self.buffer))
            del self.buffer[:skipped]
            self.skip -= skipped
            if self.skip or len(self.buffer) < HEADER:
                return
            length = int.from_bytes(self.buffer[0:4], "little")
            kind = int.from_bytes(self.buffer[4:6], "little")
            flags = int.from_bytes(self.buffer[6:8], "little")
            _, limit = TYPES.get(kind, (None, None))
            if limit is None and flags & CRITICAL:
                raise Refused("unsupported")
            if length > (UNKNOWN_BODY if limit is None else limit):
                raise Refused("too-long")
            if limit is None:
                del self.buffer[:HEADER]
                self.skip = length
                self.skipped += 1
                continue
            if len(self.buffer) < HEADER + length:
                return
            body = bytes(self.buffer[HEADER : HEADER + length])
            del self.buffer[: HEADER + length]
            yield kind, body

    def end(self):
        """The stream ends here."""
        if self.buffer or self.skip:
            raise Refused("truncated")
