"""Path probes: 30-transport section 6. A side that dialed answers; one that was dialed also asks."""

from __future__ import annotations

import hmac
import ipaddress

from encoding import Refused
from identity import derive, keyed

EXPORTER_LABEL = b"EXPORTER-dchat/1-path-probe"
EXPORTED = 80
ASK, ANSWER = 0x21, 0x22
LENGTH, LENGTH_MAX = 64, 1472


class ProbeKeys:
    """Tags and keys of both directions, from the 80 bytes of the TLS exporter."""

    def __init__(self, exported: bytes):
        self.dialer = exported[0:8], derive("path probe", exported[8:40])
        self.listener = exported[40:48], derive("path probe", exported[48:80])


def _mac(key: bytes, datagram: bytes) -> bytes:
    return keyed(key, datagram[:48], datagram[64:])[:16]


def read_probe(sender: tuple[bytes, bytes], datagram: bytes):
    """(kind, transaction, observed) of what the side with this tag and key sent."""
    tag, key = sender
    if len(datagram) < LENGTH:
        raise Refused("unexpected-end")
    kind, seen = datagram[0], datagram[17:35]
    acceptable = (
        len(datagram) <= {ASK: LENGTH_MAX, ANSWER: LENGTH}.get(kind, 0)
        and datagram[1:9] == tag
        and hmac.compare_digest(_mac(key, datagram), datagram[48:64])
        and not any(datagram[35:48] + datagram[64:])
        and not (kind == ASK and any(seen))
    )
    if not acceptable:
        raise Refused("invalid")
    if kind == ASK:
        return kind, datagram[9:17], None
    return kind, datagram[9:17], (seen[:16], int.from_bytes(seen[16:], "little"))


def ask(own: tuple[bytes, bytes], transaction: bytes) -> bytes:
    """The shortest ASK."""
    tag, key = own
    head = bytes([ASK]) + tag + transaction + bytes(31)
    return head + _mac(key, head)


def answer(own: tuple[bytes, bytes], transaction: bytes, host: str, port: int) -> bytes:
    """The ANSWER to an ASK that came from `host` and `port`."""
    tag, key = own
    ip = ipaddress.ip_address(host.partition("%")[0])
    packed = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    head = bytes([ANSWER]) + tag + transaction + packed + port.to_bytes(2, "little") + bytes(13)
    return head + _mac(key, head)
