"""Addresses as multiaddrs, in text and in bytes: 20-identity section 5."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from encoding import Bytes, Refused
from identity import PEER_PREFIX, is_peer_id, peer_from_text, peer_text

_IP4, _IP6 = b"\x04", b"\x29"
_UDP, _QUIC = b"\x91\x02", b"\xcd\x03"
_P2P = b"\xa5\x03\x26" + PEER_PREFIX
_CIRCUIT = b"\xa2\x02"


@dataclass(frozen=True)
class Address:
    """`/ip…/udp/…/quic-v1[/p2p/PEER]`, or with `relay` the address of a peer behind that relay."""

    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    relay: bytes | None = None
    peer: bytes | None = None

    def __str__(self) -> str:
        text = f"/ip{self.ip.version}/{self.ip}/udp/{self.port}/quic-v1"
        if self.relay is not None:
            text += f"/p2p/{peer_text(self.relay)}/p2p-circuit"
        if self.peer is not None:
            text += f"/p2p/{peer_text(self.peer)}"
        return text

    def to_bytes(self) -> bytes:
        data = (_IP4 if self.ip.version == 4 else _IP6) + self.ip.packed
        data += _UDP + self.port.to_bytes(2, "big") + _QUIC
        if self.relay is not None:
            data += _P2P + self.relay + _CIRCUIT
        if self.peer is not None:
            data += _P2P + self.peer
        return data

    @property
    def travels(self) -> bool:
        """Whether it may be sent: a listener's wildcard address and port 0 may not."""
        mapped = self.ip.version == 6 and self.ip.ipv4_mapped is not None
        return self.port != 0 and not (mapped or self.ip.is_unspecified or self.ip.is_multicast)


def address_from_text(text: str) -> Address:
    try:
        return _from_parts(text.split("/"))
    except (ValueError, IndexError, Refused):
        raise Refused("not-an-address") from None


def _from_parts(parts: list[str]) -> Address:
    start, family, host, udp, digits, quic, *rest = parts
    if start or family not in ("ip4", "ip6") or udp != "udp" or quic != "quic-v1":
        raise ValueError
    if "%" in host:
        raise ValueError
    ip = ipaddress.IPv4Address(host) if family == "ip4" else ipaddress.IPv6Address(host)
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if not digits.isascii() or not digits.isdigit() or str(int(digits)) != digits:
        raise ValueError
    port = int(digits)
    if port > 65535:
        raise ValueError
    peers, circuit = [], False
    while rest:
        part = rest.pop(0)
        if part == "p2p":
            peers.append(peer_from_text(rest.pop(0)))
            if len(peers) > 1 + circuit:
                raise ValueError
        elif part == "p2p-circuit" and len(peers) == 1 and not circuit:
            circuit = True
        else:
            raise ValueError
    return _assemble(ip, port, peers, circuit)


def _assemble(ip, port: int, peers: list[bytes], circuit: bool) -> Address:
    last = peers[1 if circuit else 0 :]
    return Address(ip, port, peers[0] if circuit else None, last[0] if last else None)


def address_from_bytes(data: bytes) -> Address:
    """The address of a binary multiaddr as it travels."""
    rest = data

    def take(prefix: bytes, count: int = 0) -> bytes | None:
        nonlocal rest
        if not rest.startswith(prefix) or len(rest) < len(prefix) + count:
            return None
        value, rest = rest[len(prefix) : len(prefix) + count], rest[len(prefix) + count :]
        return value

    if (packed := take(_IP4, 4)) is not None:
        ip = ipaddress.IPv4Address(packed)
    elif (packed := take(_IP6, 16)) is not None:
        ip = ipaddress.IPv6Address(packed)
    else:
        raise Refused("invalid")
    port = take(_UDP, 2)
    if port is None or take(_QUIC) is None:
        raise Refused("invalid")
    peers, circuit = [], False
    if (peer := take(_P2P, 32)) is not None:
        peers.append(peer)
        circuit = take(_CIRCUIT) is not None
        if circuit and (peer := take(_P2P, 32)) is not None:
            peers.append(peer)
    address = _assemble(ip, int.from_bytes(port, "big"), peers, circuit)
    if rest or not address.travels or not all(is_peer_id(peer) for peer in peers):
        raise Refused("invalid")
    return address


class _AddressType:
    """`Address` as a field: `Bytes 128` that hold one."""

    least = 8
    made_of = Bytes(128)

    def decode(self, reader) -> Address:
        return address_from_bytes(self.made_of.decode(reader))

    def encode(self, value: Address) -> bytes:
        if not value.travels:
            raise ValueError(f"{value} does not travel")
        return self.made_of.encode(value.to_bytes())


ADDRESS = _AddressType()
