#!/usr/bin/env python3
"""Decodes every test vector with nothing but the documents and Python's standard library.

Usage: check_vectors.py [FOLDER]      (default: vectors/ beside this file)

Each section names the document it follows. Exit code 0 and a last line "N passed, 0 failed" when
every case gives the result, the error, the field and the output that the vectors say.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress
import json
import math
import re
import sys
import unicodedata
import zlib
from pathlib import Path


class Refused(Exception):
    """Input that must be refused, with the error's name and, where known, the field."""

    def __init__(self, error: str, field: str | None = None, output=None):
        super().__init__(error)
        self.error, self.field, self.output = error, field, output


# --- BLAKE3 (its paper, section 2) -----------------------------------------------------------

_M32 = 0xFFFFFFFF
_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
       0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8
_KEYED, _DERIVE_CONTEXT, _DERIVE_MATERIAL = 16, 32, 64
_QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
             (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def _rotate(word: int, by: int) -> int:
    return (word >> by | word << (32 - by)) & _M32


def _compress(chaining, block, counter, length, flags):
    v = [*chaining, *_IV[:4], counter & _M32, counter >> 32, length, flags]
    m = list(block)
    for turn in range(7):
        for index, (a, b, c, d) in enumerate(_QUARTERS):
            v[a] = (v[a] + v[b] + m[2 * index]) & _M32
            v[d] = _rotate(v[d] ^ v[a], 16)
            v[c] = (v[c] + v[d]) & _M32
            v[b] = _rotate(v[b] ^ v[c], 12)
            v[a] = (v[a] + v[b] + m[2 * index + 1]) & _M32
            v[d] = _rotate(v[d] ^ v[a], 8)
            v[c] = (v[c] + v[d]) & _M32
            v[b] = _rotate(v[b] ^ v[c], 7)
        if turn < 6:
            m = [m[source] for source in _PERMUTATION]
    return [v[i] ^ v[i + 8] for i in range(8)]


def _words(data: bytes):
    data = data.ljust(64, b"\0")
    return [int.from_bytes(data[i:i + 4], "little") for i in range(0, 64, 4)]


def _chunk(key, data, counter, flags, root):
    chaining = key
    blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    for index, block in enumerate(blocks):
        mark = flags
        if index == 0:
            mark |= _CHUNK_START
        if index == len(blocks) - 1:
            mark |= _CHUNK_END | (_ROOT if root else 0)
        chaining = _compress(chaining, _words(block), counter, len(block), mark)
    return chaining


def _tree(key, data, counter, flags, root):
    if len(data) <= 1024:
        return _chunk(key, data, counter, flags, root)
    chunks = (len(data) - 1) // 1024
    left_chunks = 1 << (chunks.bit_length() - 1)
    left = _tree(key, data[:left_chunks * 1024], counter, flags, False)
    right = _tree(key, data[left_chunks * 1024:], counter + left_chunks, flags, False)
    return _compress(key, left + right, 0, 64, flags | _PARENT | (_ROOT if root else 0))


def _blake3(key, data: bytes, flags: int) -> bytes:
    words = _tree(list(key), data, 0, flags, True)
    return b"".join(word.to_bytes(4, "little") for word in words)


def keyed(key: bytes, data: bytes) -> bytes:
    return _blake3(_words(key)[:8], data, _KEYED)


def derive(context: str, data: bytes) -> bytes:
    key = _blake3(_IV, context.encode(), _DERIVE_CONTEXT)
    return _blake3(_words(key)[:8], data, _DERIVE_MATERIAL)


# --- edwards25519 and Ed25519 (RFC 8032; 20-identity §2, §3) ---------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def point_add(one, other):
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(scalar: int, point):
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_encode(point) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def point_decode(data: bytes):
    """The point that the bytes stand for, canonical or not; None when there is none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, (number & (2**255 - 1)) % P
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT_OF_MINUS_1 % P
        if v * x * x % P != u:
            return None
    if x & 1 != sign:
        x = -x % P
    return x, y, 1, x * y % P


def is_small(point) -> bool:
    x, y, z, _ = point_mul(8, point)
    return x == 0 and y == z


BASE = point_decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def usable_key(data: bytes):
    """20-identity §2: the point of a PeerId."""
    point = point_decode(data)
    if point is None or point_encode(point) != data or is_small(point):
        raise Refused("not-a-key")
    return point


def signed_bytes(context: str, message: bytes) -> bytes:
    head = context.encode()
    return bytes([len(head)]) + head + len(message).to_bytes(8, "little") + message


def ed25519_holds(signer: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the strict rules of 20-identity §3 take `signature` for one of a usable key."""
    key = usable_key(signer)
    r_bytes, s = signature[:32], int.from_bytes(signature[32:], "little")
    r = point_decode(r_bytes)
    if s >= ORDER or r is None or is_small(r):
        return False
    digest = hashlib.sha512(r_bytes + signer + message).digest()
    k = int.from_bytes(digest, "little") % ORDER
    minus_key = (-key[0] % P, key[1], key[2], -key[3] % P)
    return point_encode(point_add(point_mul(s, BASE), point_mul(k, minus_key))) == r_bytes


def verify(signer: bytes, context: str, message: bytes, signature: bytes) -> None:
    if not ed25519_holds(signer, signed_bytes(context, message), signature):
        raise Refused("bad-signature")


# --- PeerId (20-identity §2.1) ---------------------------------------------------------------

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PEER_PREFIX = bytes.fromhex("002408011220")


def peer_text(key: bytes) -> str:
    data = PEER_PREFIX + key
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def peer_key(text: str) -> bytes:
    if len(text) > 52 or any(character not in BASE58 for character in text):
        raise Refused("not-a-peer-id")
    number = 0
    for character in text:
        number = number * 58 + BASE58.index(character)
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    data = b"\0" * (len(text) - len(text.lstrip("1"))) + body
    if len(data) != 38 or data[:6] != PEER_PREFIX:
        raise Refused("not-a-peer-id")
    usable_key(data[6:])
    return data[6:]


# --- Addresses (20-identity §5) --------------------------------------------------------------

UDP, QUIC_V1, P2P, CIRCUIT = b"\x91\x02", b"\xcd\x03", b"\xa5\x03\x26", b"\xa2\x02"


def address_of_bytes(data: bytes) -> str:
    """The text of a binary multiaddr in one of the two forms."""
    rest = data

    def taken(prefix: bytes, length: int) -> bytes | None:
        nonlocal rest
        end = len(prefix) + length
        if rest[:len(prefix)] != prefix or len(rest) < end:
            return None
        value, rest = rest[len(prefix):end], rest[end:]
        return value

    def peer() -> str | None:
        key = taken(P2P + PEER_PREFIX, 32)
        if key is None:
            return None
        try:
            usable_key(key)
        except Refused:
            raise Refused("invalid") from None
        return "/p2p/" + peer_text(key)

    v4 = taken(b"\x04", 4)
    v6 = None if v4 is not None else taken(b"\x29", 16)
    port = taken(UDP, 2)
    if (v4 is None and v6 is None) or port is None or taken(QUIC_V1, 0) is None:
        raise Refused("invalid")
    if v4 is not None:
        ip, text = ipaddress.IPv4Address(v4), "/ip4/"
    else:
        ip, text = ipaddress.IPv6Address(v6), "/ip6/"
        if ip.ipv4_mapped is not None:
            raise Refused("invalid")
    number = int.from_bytes(port, "big")
    if number == 0 or ip.is_unspecified or ip.is_multicast:
        raise Refused("invalid")
    text += f"{ip}/udp/{number}/quic-v1" + (peer() or "")
    if rest and "/p2p/" in text and taken(CIRCUIT, 0) is not None:
        text += "/p2p-circuit" + (peer() or "")
    if rest:
        raise Refused("invalid")
    return text


def address_of_text(text: str) -> tuple[str, bytes]:
    """The canonical text and the bytes of an address that a person wrote."""
    shape = re.fullmatch(r"/(ip4|ip6)/([0-9a-fA-F.:]+)/udp/([0-9]+)/quic-v1"
                         r"(?:/p2p/([^/]+)(?:(/p2p-circuit)(?:/p2p/([^/]+))?)?)?", text)
    if shape is None:
        raise Refused("not-an-address")
    family, ip_text, port_text, first, circuit, second = shape.groups()
    try:
        kind = ipaddress.IPv4Address if family == "ip4" else ipaddress.IPv6Address
        ip, port = kind(ip_text), int(port_text)
        port_bytes = port.to_bytes(2, "big")
        keys = [peer_key(peer) if peer else None for peer in (first, second)]
    except (ValueError, OverflowError, Refused):
        raise Refused("not-an-address") from None
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    data = (b"\x04" if ip.version == 4 else b"\x29") + ip.packed + UDP + port_bytes + QUIC_V1
    text = f"/ip{ip.version}/{ip}/udp/{port}/quic-v1"
    for key, after in ((keys[0], circuit), (keys[1], None)):
        if key is not None:
            data, text = data + P2P + PEER_PREFIX + key, text + "/p2p/" + peer_text(key)
        if after:
            data, text = data + CIRCUIT, text + after
    return text, data


# --- Bodies (10-encoding §2, §5, §7) ---------------------------------------------------------

class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise Refused("unexpected-end")
        self.at += count
        return self.data[self.at - count:self.at]

    def integer(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def count(self, limit: int) -> int:
        count = self.integer(8)
        if count > limit:
            raise Refused("over-limit")
        return count


def u8():
    return 1, lambda reader: reader.integer(1)


def u16():
    return 2, lambda reader: reader.integer(2)


def u32():
    return 4, lambda reader: reader.integer(4)


def boolean():
    def read(reader):
        value = reader.integer(1)
        if value > 1:
            raise Refused("not-boolean")
        return bool(value)
    return 1, read


def code(inner, first, last):
    return checked(inner, lambda value: value if first <= value <= last else None)


def u64():
    return 8, lambda reader: str(reader.integer(8))


def fixed(length):
    return length, lambda reader: reader.take(length)


def octets(limit):
    return 8, lambda reader: reader.take(reader.count(limit))


def text(limit):
    def read(reader):
        try:
            return reader.take(reader.count(limit)).decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Refused("invalid") from None
    return 8, read


def option(item):
    def read(reader):
        present = reader.integer(1)
        if present > 1:
            raise Refused("not-boolean")
        return item[1](reader) if present else None
    return 1, read


def sequence(item, limit):
    least, read_item = item

    def read(reader):
        count = reader.count(limit)
        if count * least > reader.left():
            raise Refused("unexpected-end")
        return [read_item(reader) for _ in range(count)]
    return 8, read


def checked(inner, accept):
    least, read_inner = inner

    def read(reader):
        value = accept(read_inner(reader))
        if value is None:
            raise Refused("invalid")
        return value
    return least, read


def structure(name, /, **fields):
    def read(reader):
        value = {}
        for field, (_, read_field) in fields.items():
            try:
                value[field] = read_field(reader)
            except Refused as refused:
                raise Refused(refused.error, refused.field or f"{name}.{field}") from None
        return value
    return sum(least for least, _ in fields.values()), read


def ascending(values) -> bool:
    return all(low < high for low, high in zip(values, values[1:]))


def accepted_key(key: bytes):
    try:
        usable_key(key)
    except Refused:
        return None
    return key


def accepted_extensions(items):
    kinds = [item["kind"] for item in items]
    return items if ascending(kinds) and not any(kind & 0x8000 for kind in kinds) else None


def accepted_versions(data: bytes):
    low, high = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:], "little")
    return [low, high] if 1 <= low <= high else None


def accepted_socket(data: bytes):
    ip, port = ipaddress.IPv6Address(data[:16]), int.from_bytes(data[16:], "big")
    ip = ip.ipv4_mapped or ip
    if port == 0 or ip.is_unspecified or ip.is_multicast:
        return None
    return f"{ip}:{port}" if ip.version == 4 else f"[{ip}]:{port}"


peer_id = checked(fixed(32), accepted_key)
socket = checked(fixed(18), accepted_socket)
address = checked(octets(128), address_of_bytes)
extension = structure("Extension", kind=u16(), value=octets(1024))
extensions = checked(sequence(extension, 16), accepted_extensions)
versions = checked(fixed(4), accepted_versions)
capabilities = checked(sequence(u16(), 64), lambda items: items if ascending(items) else None)
stage = checked(u8(), lambda value: value if value in (0, 1) else None)
padding = checked(octets(131072), lambda data: data if not any(data) else None)

SignedRecord = structure("SignedRecord", body=octets(4352), signature=fixed(64))
InviteProof = structure("InviteProof", invite=fixed(16), mac=fixed(32))
Frontier = structure("Frontier", author=peer_id, incarnation=fixed(16), held=u64(),
                     low_water=u64(), read=u64(), tip=fixed(32))
Head = structure("Head", author=peer_id, incarnation=fixed(16), seq=u64(), hash=fixed(32))
Content = structure("Content", sent_at=u64(), expires_at=option(u64()), heads=sequence(Head, 4),
                    kind=u16(), body=octets(66560), extensions=extensions)
Entry = structure("Entry", incarnation=fixed(16), seq=u64(), prev=fixed(32), hash=fixed(32),
                  content=option(Content))
NatClass = structure("NatClass", mapping=code(u8(), 0, 4), filtering=code(u8(), 0, 4),
                     allocation=code(u8(), 0, 4), stride=u16(), block_first=u16(),
                     block_len=u16())
Candidate = structure("Candidate", kind=code(u8(), 0, 3), address=address)
Prediction = structure("Prediction", address=address, stride=u16(), count=u16())
ItemHead = structure("ItemHead", log=fixed(16), seq=u32(), hash=fixed(8))
ItemHeader = structure("ItemHeader", author=fixed(32), incarnation=fixed(16), seq=u32(),
                       prev=fixed(32), lamport=u64(), sent_at=u64(), keep_s=u32(), floor=u32(),
                       heads=sequence(ItemHead, 4), kind=u16(), body_len=u32(),
                       body_hash=fixed(32), extensions=extensions)
SignedItem = structure("SignedItem", header=ItemHeader, signature=fixed(64),
                       body=option(octets(66560)))
Contact = structure("Contact", peer=peer_id, addresses=sequence(address, 2))
Mark = structure("Mark", log=u64(), seq=u32(), age=u16())
Want = structure("Want", log=u64(), after=u32(), upto=u32())
Place = structure("Place", lamport=u64(), hash=u64())
Span = structure("Span", **{"from": Place}, to=Place, count=u32(), sum=u64())
Seat = structure("Seat", key=fixed(32), proof=fixed(64), name=text(64))
LogCut = structure("LogCut", log=fixed(16), seq=u32())
hashes = checked(sequence(fixed(32), 16), lambda items: items if ascending(items) else None)
cut = checked(sequence(LogCut, 16),
              lambda items: items if ascending([item["log"] for item in items]) else None)
SignedOperation = structure("SignedOperation", body=octets(2048), signature=fixed(64))
Node = structure("Node", key=fixed(32), nonce=u64(), socket=socket, other=option(socket))
Server = structure("Server", nonce=u64(), socket=socket, other=option(socket))
TYPES = {
    "Ping": structure("Ping", nonce=u64(), extensions=extensions),
    "Hello": structure("Hello", versions=versions, instance=fixed(16), roles=u64(),
                       capabilities=capabilities, extensions=extensions),
    "Identify": structure("Identify", revision=u64(), observed=option(address),
                          addresses=sequence(address, 16), extensions=extensions),
    "ChatOpen": structure("ChatOpen", name=text(64), invite=option(InviteProof),
                          device=SignedRecord, sessions=sequence(fixed(32), 8),
                          extensions=extensions),
    "Envelope": structure("Envelope", session=fixed(32), stage=stage, message=octets(131584),
                          extensions=extensions),
    "Undecryptable": structure("Undecryptable", session=fixed(32), extensions=extensions),
    "SignedRecord": SignedRecord,
    "RecordBody": structure("RecordBody", signer=peer_id, kind=u16(), sequence=u64(),
                            issued_at=u64(), expires_at=u64(), payload=octets(4096),
                            extensions=extensions),
    "AddressRecord": structure("AddressRecord", addresses=sequence(address, 16),
                               extensions=extensions),
    "DeviceRecord": structure("DeviceRecord", identity_key=fixed(32), signing_key=fixed(32),
                              fallback_key=fixed(32), extensions=extensions),
    "Invite": structure("Invite", version=u8(), peer=peer_id, id=fixed(16), secret=fixed(32),
                        expires_at=u64(), name=text(64), addresses=sequence(address, 6),
                        device=SignedRecord, extensions=extensions),
    "Parcel": structure("Parcel", frontiers=sequence(Frontier, 16), entries=sequence(Entry, 64),
                        extensions=extensions, padding=padding),
    "Content": Content,
    "Candidates": structure("Candidates", generation=u32(), **{"class": NatClass},
                            candidates=sequence(Candidate, 24), extensions=extensions),
    "Punch": structure("Punch", round=u32(), answers=boolean(), prediction=option(Prediction),
                       sockets=u16(), extensions=extensions),
    "Reach": structure("Reach", token=fixed(16), **{"from": code(u8(), 0, 2)}, target=address,
                       extensions=extensions),
    "Reached": structure("Reached", result=code(u8(), 0, 3), extensions=extensions),
    "RelayReserve": structure("RelayReserve", lifetime_s=u32(), extensions=extensions),
    "RelayReserved": structure("RelayReserved", lifetime_s=u32(), channels=u16(),
                               bytes_per_s=u32(), voucher=SignedRecord, extensions=extensions),
    "RelayRefused": structure("RelayRefused", reason=code(u16(), 1, 9), retry_after_s=u32(),
                              extensions=extensions),
    "RelayConnect": structure("RelayConnect", peer=peer_id, extensions=extensions),
    "RelayIncoming": structure("RelayIncoming", peer=peer_id, channel=u32(),
                               extensions=extensions),
    "RelayAccept": structure("RelayAccept", extensions=extensions),
    "RelayOpened": structure("RelayOpened", channel=u32(), bytes_per_s=u32(),
                             extensions=extensions),
    "Voucher": structure("Voucher", peer=peer_id, extensions=extensions),
    "Node": Node,
    "Server": Server,
    "DhtFind": structure("DhtFind", target=fixed(32), want=u8(), known=sequence(u32(), 32),
                         server=option(Server), extensions=extensions),
    "DhtNodes": structure("DhtNodes", nodes=sequence(Node, 20), server=option(Server),
                          extensions=extensions),
    "DhtGet": structure("DhtGet", key=fixed(32), want=u8(), known=sequence(u32(), 32),
                        have=sequence(fixed(8), 32), server=option(Server),
                        extensions=extensions),
    "DhtValues": structure("DhtValues", records=sequence(SignedRecord, 32), held=u16(),
                           token=fixed(16), nodes=sequence(Node, 20), server=option(Server),
                           extensions=extensions),
    "DhtPut": structure("DhtPut", key=fixed(32), token=fixed(16), record=SignedRecord,
                        extensions=extensions),
    "DhtStored": structure("DhtStored", keep_s=u32(), extensions=extensions),
    "DhtRefused": structure("DhtRefused", reason=code(u16(), 1, 14), retry_after_s=u32(),
                            extensions=extensions),
    "RelayAdvert": structure("RelayAdvert", shard=u8(), socket=socket, other=option(socket),
                             extensions=extensions),
    "ServiceAdvert": structure("ServiceAdvert", name=text(64), addresses=sequence(address, 4),
                               extensions=extensions),
    "MailboxPointer": structure("MailboxPointer", mailboxes=sequence(address, 4),
                                extensions=extensions),
    "Presence": structure("Presence", sealed=octets(1024), extensions=extensions),
    "Rendezvous": structure("Rendezvous", slot=fixed(16), sealed=octets(1024),
                            extensions=extensions),
    "ItemHead": ItemHead,
    "ItemHeader": ItemHeader,
    "SignedItem": SignedItem,
    "RoomBody": structure("RoomBody", author=peer_id, statement=fixed(64), name=text(64),
                          content=octets(65536), extensions=extensions),
    "GossipOpen": structure("GossipOpen", room=fixed(32), nonce=u64(), answer=boolean(),
                            alone=boolean(), extensions=extensions),
    "Contact": Contact,
    "GossipLeave": structure("GossipLeave", reason=code(u8(), 1, 4), peers=sequence(Contact, 8),
                             extensions=extensions),
    "GossipJoin": structure("GossipJoin", peer=Contact, hops=u8(), extensions=extensions),
    "GossipShuffle": structure("GossipShuffle", answer=boolean(), peers=sequence(Contact, 8),
                               extensions=extensions),
    "GossipPush": structure("GossipPush", hops=u8(), item=SignedItem),
    "Mark": Mark,
    "GossipAnnounce": structure("GossipAnnounce", marks=sequence(Mark, 1024)),
    "Want": Want,
    "GossipPull": structure("GossipPull", graft=boolean(), wants=sequence(Want, 1024),
                            extensions=extensions),
    "GossipTree": structure("GossipTree", graft=sequence(u64(), 1024),
                            prune=sequence(u64(), 1024), extensions=extensions),
    "GossipDigest": structure("GossipDigest", root=u64(), total=u32(), horizon=u32()),
    "GossipSketch": structure("GossipSketch", salt=u32(), of=code(u8(), 0, 1), horizon=u32(),
                              first=u32(), cells=octets(36864), extensions=extensions),
    "GossipMore": structure("GossipMore", salt=u32(), have=u32(), want=u32(),
                            unknown=sequence(u32(), 1024), extensions=extensions),
    "GossipProof": structure("GossipProof", items=sequence(SignedItem, 2),
                             extensions=extensions),
    "Place": Place,
    "Span": Span,
    "GossipRange": structure("GossipRange", salt=u64(), spans=sequence(Span, 64), newest=u16(),
                             extensions=extensions),
    "GossipSpans": structure("GossipSpans", salt=u64(), spans=sequence(Span, 64),
                             extensions=extensions),
    "GossipFetch": structure("GossipFetch", **{"from": Place}, to=Place, most=u16(),
                             extensions=extensions),
    "Seat": Seat,
    "LogCut": LogCut,
    "Operation": structure("Operation", group=fixed(32), author=peer_id, seq=u32(),
                           after=hashes, at=u64(), deed=code(u8(), 1, 8),
                           subject=option(peer_id), text=text(256), seat=option(Seat), cut=cut,
                           extensions=extensions),
    "SignedOperation": SignedOperation,
    "GroupOperations": structure("GroupOperations", group=fixed(32), heads=hashes,
                                 lacking=hashes, operations=sequence(SignedOperation, 64),
                                 extensions=extensions),
    "GroupKeys": structure("GroupKeys", group=fixed(32), sessions=sequence(fixed(165), 256),
                           extensions=extensions),
    "SealedBody": structure("SealedBody", session=fixed(32), message=octets(66560)),
}


def decode(name: str, data: bytes):
    if len(data) > 163840:
        raise Refused("over-limit", "body")
    reader = Reader(data)
    value = TYPES[name][1](reader)
    if reader.left():
        raise Refused("trailing-bytes")
    return value


# --- Frames (10-encoding §4, registry §1) ----------------------------------------------------

FRAMES = {
    0x0001: ("HELLO", "Hello", 2048),
    0x0002: ("IDENTIFY", "Identify", 4096),
    0x0003: ("IDENTIFY_PUSH", "Identify", 4096),
    0x0004: ("PING", "Ping", 1024),
    0x0005: ("PONG", "Ping", 1024),
    0x0006: ("CANDIDATES", "Candidates", 4096),
    0x0007: ("PUNCH", "Punch", 1024),
    0x0008: ("REACH", "Reach", 1024),
    0x0009: ("REACHED", "Reached", 1024),
    0x0010: ("CHAT_OPEN", "ChatOpen", 8192),
    0x0011: ("ENVELOPE", "Envelope", 135680),
    0x0012: ("UNDECRYPTABLE", "Undecryptable", 1024),
    0x0020: ("RELAY_RESERVE", "RelayReserve", 1024),
    0x0021: ("RELAY_RESERVED", "RelayReserved", 8192),
    0x0022: ("RELAY_REFUSED", "RelayRefused", 1024),
    0x0023: ("RELAY_CONNECT", "RelayConnect", 1024),
    0x0024: ("RELAY_INCOMING", "RelayIncoming", 1024),
    0x0025: ("RELAY_ACCEPT", "RelayAccept", 1024),
    0x0026: ("RELAY_OPENED", "RelayOpened", 1024),
    0x0030: ("DHT_FIND", "DhtFind", 1024),
    0x0031: ("DHT_NODES", "DhtNodes", 4096),
    0x0032: ("DHT_GET", "DhtGet", 1024),
    0x0033: ("DHT_VALUES", "DhtValues", 36864),
    0x0034: ("DHT_PUT", "DhtPut", 8192),
    0x0035: ("DHT_STORED", "DhtStored", 1024),
    0x0036: ("DHT_REFUSED", "DhtRefused", 1024),
    0x0040: ("GOSSIP_OPEN", "GossipOpen", 1024),
    0x0041: ("GOSSIP_LEAVE", "GossipLeave", 4096),
    0x0042: ("GOSSIP_JOIN", "GossipJoin", 1024),
    0x0043: ("GOSSIP_SHUFFLE", "GossipShuffle", 4096),
    0x0044: ("GOSSIP_PUSH", "GossipPush", 70656),
    0x0045: ("GOSSIP_ANNOUNCE", "GossipAnnounce", 16384),
    0x0046: ("GOSSIP_PULL", "GossipPull", 20480),
    0x0047: ("GOSSIP_TREE", "GossipTree", 20480),
    0x0048: ("GOSSIP_DIGEST", "GossipDigest", 16),
    0x0049: ("GOSSIP_SKETCH", "GossipSketch", 40960),
    0x004A: ("GOSSIP_MORE", "GossipMore", 8192),
    0x004B: ("GOSSIP_PROOF", "GossipProof", 8192),
    0x004C: ("GOSSIP_RANGE", "GossipRange", 8192),
    0x004D: ("GOSSIP_SPANS", "GossipSpans", 8192),
    0x004E: ("GOSSIP_FETCH", "GossipFetch", 1024),
    0x0050: ("GROUP_OPERATIONS", "GroupOperations", 163840),
}


class FrameReader:
    """A stream in pieces of any size; `feed` returns the frames that became whole."""

    def __init__(self):
        self.buffer, self.skip = b"", 0

    def feed(self, piece: bytes):
        self.buffer += piece
        frames = []
        try:
            while self.step(frames):
                pass
        except Refused as refused:
            raise Refused(refused.error, refused.field, frames) from None
        return frames

    def step(self, frames) -> bool:
        if self.skip:
            skipped = min(self.skip, len(self.buffer))
            self.skip, self.buffer = self.skip - skipped, self.buffer[skipped:]
            return skipped > 0
        if len(self.buffer) < 8:
            return False
        length = int.from_bytes(self.buffer[:4], "little")
        code = int.from_bytes(self.buffer[4:6], "little")
        critical = self.buffer[6] & 1
        if code not in FRAMES and critical:
            raise Refused("unsupported")
        name, body_type, limit = FRAMES.get(code, (None, None, 163840))
        if length > limit:
            raise Refused("too-long")
        if name is None:
            self.buffer, self.skip = self.buffer[8:], length
            return True
        if len(self.buffer) < 8 + length:
            return False
        body, self.buffer = self.buffer[8:8 + length], self.buffer[8 + length:]
        frames.append((name, body, decode(body_type, body)))
        return True

    def end(self):
        if self.skip or self.buffer:
            raise Refused("truncated")


def read_stream(data: bytes, piece: int):
    reader, frames = FrameReader(), []
    try:
        for at in range(0, len(data), piece):
            frames += reader.feed(data[at:at + piece])
        reader.end()
    except Refused as refused:
        raise Refused(refused.error, None, frames + (refused.output or [])) from None
    return frames


def op_stream(case):
    data = octets_of(case["bytes"])
    # Any split gives the same; long streams are not cut into single bytes, to save time.
    results = []
    for piece in {len(data) or 1, 1000, 7} | ({1, 2, 3, 8, 9} if len(data) < 5000 else set()):
        try:
            frames, error = read_stream(data, piece), None
        except Refused as refused:
            frames, error = refused.output, refused.error
        output = {"frames": [{"frame": name, "body": body} for name, body, _ in frames]}
        results.append((output, error))
    if any(result != results[0] for result in results):
        raise AssertionError("the result depends on how the stream is split")
    output, error = results[0]
    if error:
        raise Refused(error, None, output)
    return output


def op_frame(case):
    (name, _, value), = read_stream(octets_of(case["bytes"]), 1 << 20)
    return {"frame": name, "body": value}


# --- STUN (50-nat §2; RFC 8489) ----------------------------------------------------------------

STUN_COOKIE = bytes.fromhex("2112a442")
STUN_REQUEST, STUN_SUCCESS, STUN_ERROR = 0x0001, 0x0101, 0x0111
# What a node has to understand in a request, and in an answer: it may pass over what it has no use for.
STUN_IN_REQUESTS = {0x0001, 0x0003, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D,
                    0x001E, 0x0026}
STUN_IN_ANSWERS = {0x0001, 0x0004, 0x0005, 0x0006, 0x0008, 0x0009, 0x000A, 0x000B, 0x0014, 0x0015,
                   0x001C, 0x0020, 0x0026}


def stun_attributes(data: bytes) -> list[tuple[int, bytes]]:
    """The attributes that count; refuses what a node drops."""
    if len(data) < 20 or data[0] & 0xC0 or data[4:8] != STUN_COOKIE:
        raise Refused("no-meaning")
    if len(data) > 1500 or int.from_bytes(data[2:4], "big") + 20 != len(data) or len(data) % 4:
        raise Refused("no-meaning")
    found, at, rank = [], 20, 0
    number = 0
    while at < len(data):
        kind, length = (int.from_bytes(data[at + i:at + i + 2], "big") for i in (0, 2))
        end = at + 4 + length
        number += 1
        if number > 32 or end + -end % 4 > len(data):
            raise Refused("no-meaning")
        value = data[at + 4:end]
        own = {0x0008: 1, 0x001C: 2, 0x8028: 3}.get(kind, 0)
        if not rank or own > rank:
            found.append((kind, value))
            rank = own or rank
            if kind == 0x8028:
                covered = data[:2] + (end - 20).to_bytes(2, "big") + data[4:at]
                if value != (zlib.crc32(covered) ^ 0x5354554E).to_bytes(4, "big"):
                    raise Refused("no-meaning")
        at = end + -end % 4
    return found


def stun_unknown(attributes, known) -> set[int]:
    return {kind for kind, _ in attributes if kind < 0x8000 and kind not in known}


def op_stun_answer(case):
    data = octets_of(case["datagram"])
    attributes = stun_attributes(data)
    if int.from_bytes(data[:2], "big") != STUN_REQUEST:
        raise Refused("no-meaning")
    unknown = stun_unknown(attributes, STUN_IN_REQUESTS)
    change = dict(reversed(attributes)).get(0x0003)
    if change is not None and change[-1] & 6:
        unknown.add(0x0003)
    host, _, port = case["from"].rpartition(":")
    ip = ipaddress.ip_address(host.strip("[]"))
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if unknown:
        listed = 2 * len(unknown)
        length = 20 + 8 + 4 + listed + -listed % 4
    else:
        length = 32 if ip.version == 4 else 44
    if length > len(data):
        raise Refused("no-meaning")
    mapped = f"{ip}:{port}" if ip.version == 4 else f"[{ip}]:{port}"
    return {"transaction": data[8:20], "mapped": None if unknown else mapped,
            "code": 420 if unknown else None}


def stun_address(value: bytes, mask: bytes) -> str:
    if (len(value), value[1] if len(value) > 1 else 0) not in ((8, 1), (20, 2)):
        raise Refused("no-meaning")
    port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(mask[:2], "big")
    ip = ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask)))
    return f"{ip}:{port}" if ip.version == 4 else f"[{ip}]:{port}"


def op_stun_read(case):
    data = octets_of(case["datagram"])
    attributes = stun_attributes(data)
    kind = int.from_bytes(data[:2], "big")
    if kind not in (STUN_SUCCESS, STUN_ERROR) or stun_unknown(attributes, STUN_IN_ANSWERS):
        raise Refused("no-meaning")
    first = dict(reversed(attributes))
    said = {"transaction": data[8:20], "mapped": None, "code": None}
    if kind == STUN_ERROR:
        value = first.get(0x0009, b"")
        if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
            raise Refused("no-meaning")
        return said | {"code": (value[2] & 7) * 100 + value[3]}
    if 0x0020 in first:
        return said | {"mapped": stun_address(first[0x0020], data[4:20])}
    if 0x0001 in first:
        return said | {"mapped": stun_address(first[0x0001], bytes(16))}
    raise Refused("no-meaning")


# --- Relayed packets (60-relay §5) ------------------------------------------------------------

def op_relay_datagram(case):
    data = octets_of(case["datagram"])
    kind = {1: "whole", 2: "first", 3: "second"}.get(data[0] if data else None)
    header = 5 if kind == "whole" else 7
    if kind is None or len(data) <= header:
        raise Refused("no-meaning")
    number = None if kind == "whole" else int.from_bytes(data[5:7], "little")
    return {"kind": kind, "channel": int.from_bytes(data[1:5], "little"), "number": number,
            "packet": data[header:]}


# --- Records (20-identity §4) ----------------------------------------------------------------

RECORD_CONTEXT = "dchat/1 record"
KINDS = {"AddressRecord": (1, 86400000), "DeviceRecord": (2, 2592000000),
         "Voucher": (3, 7200000), "RelayAdvert": (4, 7200000),
         "ServiceAdvert": (5, 86400000), "MailboxPointer": (6, 604800000),
         "Presence": (7, 3600000), "Rendezvous": (8, 7200000)}
CLOCK_SKEW = 600000


def op_record(case):
    signed = decode("SignedRecord", octets_of(case["bytes"]))
    kind, longest = KINDS[case["type"]]
    signer, now = octets_of(case["signer"]), int(case["now"])
    body = decode("RecordBody", signed["body"])
    issued, expires = int(body["issued_at"]), int(body["expires_at"])
    if body["kind"] != kind:
        raise Refused("wrong-kind")
    if body["signer"] != signer:
        raise Refused("wrong-signer")
    if not 1 <= expires - issued <= longest or issued > now + CLOCK_SKEW:
        raise Refused("bad-times")
    if expires <= now:
        raise Refused("expired")
    payload = decode(case["type"], body["payload"])
    verify(signer, RECORD_CONTEXT, signed["body"], signed["signature"])
    return {"sequence": body["sequence"], "issued_at": body["issued_at"],
            "expires_at": body["expires_at"], "payload": payload}


# --- Argon2id (RFC 9106; 70-dht §2) ----------------------------------------------------------

_M64 = 0xFFFFFFFFFFFFFFFF


def _blake2(data: bytes, length: int) -> bytes:
    """H' of RFC 9106 §3.3."""
    data = length.to_bytes(4, "little") + data
    if length <= 64:
        return hashlib.blake2b(data, digest_size=length).digest()
    block, output = hashlib.blake2b(data).digest(), b""
    while length - len(output) > 64:
        output += block[:32]
        block = hashlib.blake2b(block, digest_size=min(64, length - len(output))).digest()
    return output + block


def _argon2_quarter(v, a, b, c, d):
    x, y, z, w = v[a], v[b], v[c], v[d]
    x = x + y + 2 * (x & _M32) * (y & _M32) & _M64
    w ^= x
    w = w >> 32 | w << 32 & _M64
    z = z + w + 2 * (z & _M32) * (w & _M32) & _M64
    y ^= z
    y = y >> 24 | y << 40 & _M64
    x = x + y + 2 * (x & _M32) * (y & _M32) & _M64
    w ^= x
    w = w >> 16 | w << 48 & _M64
    z = z + w + 2 * (z & _M32) * (w & _M32) & _M64
    y ^= z
    v[a], v[b], v[c], v[d] = x, y >> 63 | y << 1 & _M64, z, w


def _argon2_mix(one, other):
    """The compression function G of RFC 9106 §3.5, on blocks of 128 words."""
    mixed = [a ^ b for a, b in zip(one, other)]
    v = list(mixed)
    rows = [[16 * row + index for index in range(16)] for row in range(8)]
    columns = [[16 * row + 2 * column + half for row in range(8) for half in range(2)]
               for column in range(8)]
    for lane in rows + columns:
        for a, b, c, d in _QUARTERS:
            _argon2_quarter(v, lane[a], lane[b], lane[c], lane[d])
    return [a ^ b for a, b in zip(mixed, v)]


def _block(data: bytes):
    return [int.from_bytes(data[at:at + 8], "little") for at in range(0, 1024, 8)]


@functools.lru_cache(maxsize=None)
def argon2id(password: bytes, salt: bytes) -> bytes:
    """With 1024 KiB, one pass, one lane and 64 bytes of output."""
    blocks, number = 1024, lambda value: value.to_bytes(4, "little")
    seed = hashlib.blake2b(b"".join([
        number(1), number(64), number(blocks), number(1), number(0x13), number(2),
        number(len(password)), password, number(len(salt)), salt, number(0), number(0)])).digest()
    memory = [_block(_blake2(seed + number(index) + number(0), 1024)) for index in range(2)]
    quarter, zero = blocks // 4, [0] * 128
    for index in range(2, blocks):
        part, place = divmod(index, quarter)
        if part < 2:
            # Addresses that do not depend on the password, 128 at a time (§3.4.1.2).
            if place % 128 == 0 or index == 2:
                counter = place // 128 + 1
                what = [0, 0, part, blocks, 1, 2, counter] + [0] * 121
                addresses = _argon2_mix(zero, _argon2_mix(zero, what))
            random = addresses[place % 128]
        else:
            random = memory[-1][0]
        area = index - 1
        first = random & _M32
        relative = area - 1 - (area * (first * first >> 32) >> 32)
        memory.append(_argon2_mix(memory[-1], memory[relative]))
    return _blake2(b"".join(word.to_bytes(8, "little") for word in memory[-1]), 64)


# --- The distributed hash table (70-dht §2, §6, §8, §10) --------------------------------------

def op_position(case):
    password = octets_of(case["key"]) + int(case["nonce"]).to_bytes(8, "little")
    out = argon2id(password, b"dchat/1 dht puzzle")
    if 64 - int.from_bytes(out[:8], "big").bit_length() < case["difficulty"]:
        raise Refused("not-accepted")
    return {"position": derive(CONTEXTS["POSITION"], out[8:])}


def dht_key(kind: int, name: bytes) -> bytes:
    return derive(CONTEXTS["DHT_KEY"], kind.to_bytes(2, "little") + name)


def op_dht_key(case):
    return {"key": dht_key(case["kind"], octets_of(case["name"]))}


def op_distance(case):
    one, other = octets_of(case["one"]), octets_of(case["other"])
    distance = bytes(a ^ b for a, b in zip(one, other))
    shared = 256 - int.from_bytes(distance, "big").bit_length()
    return {"distance": distance, "shared": shared, "tail": int.from_bytes(other[28:], "big")}


# Payload, what the key is of, most bytes of the payload.
STORED = {
    1: ("AddressRecord", "signer", 2304), 2: ("DeviceRecord", "signer", 4096),
    4: ("RelayAdvert", "shard", 256), 5: ("ServiceAdvert", "name", 1024),
    6: ("MailboxPointer", "signer", 1024), 7: ("Presence", "signer", 1152),
    8: ("Rendezvous", "signer", 1152),
}


def record_digest(signed) -> bytes:
    return derive(CONTEXTS["RECORD"], signed["signature"] + signed["body"])


def op_record_digest(case):
    return {"digest": record_digest(decode("SignedRecord", octets_of(case["bytes"])))}


def op_stored_record(case):
    signed = decode("SignedRecord", octets_of(case["bytes"]))
    try:
        body = decode("RecordBody", signed["body"])
    except Refused:
        raise Refused("bad-record") from None
    kind = body["kind"]
    if kind not in STORED:
        raise Refused("bad-record")
    payload_type, placed, most = STORED[kind]
    if len(body["payload"]) > most or len(signed["body"]) > most + 256:
        raise Refused("bad-record")
    issued, expires, now = int(body["issued_at"]), int(body["expires_at"]), int(case["now"])
    if not 1 <= expires - issued <= KINDS[payload_type][1]:
        raise Refused("expired")
    try:
        payload = decode(payload_type, body["payload"])
    except Refused:
        raise Refused("bad-record") from None
    if kind == 4 and payload["shard"] >= 4 or kind == 1 and not payload["addresses"]:
        raise Refused("bad-record")
    name = {"signer": body["signer"], "shard": bytes([payload.get("shard", 0)]),
            "name": payload.get("name", "").encode()}[placed]
    if dht_key(kind, name) != octets_of(case["key"]):
        raise Refused("wrong-key")
    if expires <= now or issued > now + CLOCK_SKEW:
        raise Refused("expired")
    verify(body["signer"], RECORD_CONTEXT, signed["body"], signed["signature"])
    return {"kind": kind, "signer": body["signer"], "slot": payload.get("slot", bytes(16)),
            "sequence": body["sequence"], "issued_at": body["issued_at"],
            "expires_at": body["expires_at"], "digest": record_digest(signed)}


def ed25519_public(seed: bytes) -> bytes:
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return point_encode(point_mul(scalar & ~7 & (2**255 - 1) | 2**254, BASE))


def op_blinded_identity(case):
    epoch = int(case["epoch"]).to_bytes(8, "little")
    seed = derive(CONTEXTS["BLINDED_SIGNER"],
                  octets_of(case["secret"]) + epoch + octets_of(case["label"]))
    signer = ed25519_public(seed)
    return {"signer": signer, "key": dht_key(case["kind"], signer)}


def _chacha_rounds(state):
    v = list(state)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            v[a] = v[a] + v[b] & _M32
            v[d] = _rotate(v[d] ^ v[a], 16)
            v[c] = v[c] + v[d] & _M32
            v[b] = _rotate(v[b] ^ v[c], 20)
            v[a] = v[a] + v[b] & _M32
            v[d] = _rotate(v[d] ^ v[a], 24)
            v[c] = v[c] + v[d] & _M32
            v[b] = _rotate(v[b] ^ v[c], 25)
    return v


def _chacha_state(key: bytes, rest: bytes):
    data = b"expand 32-byte k" + key + rest
    return [int.from_bytes(data[at:at + 4], "little") for at in range(0, 64, 4)]


def _chacha_block(key: bytes, counter: int, nonce: bytes) -> bytes:
    state = _chacha_state(key, counter.to_bytes(4, "little") + nonce)
    mixed = zip(_chacha_rounds(state), state)
    return b"".join((a + b & _M32).to_bytes(4, "little") for a, b in mixed)


def _poly1305(key: bytes, data: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(data), 16):
        block = data[at:at + 16] + b"\1"
        total = (total + int.from_bytes(block, "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(key[16:], "little") & (1 << 128) - 1).to_bytes(16, "little")


def xchacha_open(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """RFC 8439 §2.8 with the nonce of draft-irtf-cfrg-xchacha; None when the tag is wrong."""
    words = _chacha_rounds(_chacha_state(key, nonce[:16]))
    key = b"".join(word.to_bytes(4, "little") for word in words[:4] + words[12:])
    nonce, text, tag = bytes(4) + nonce[16:], sealed[:-16], sealed[-16:]

    def pad(data: bytes) -> bytes:
        return data + bytes(-len(data) % 16)

    lengths = len(associated).to_bytes(8, "little") + len(text).to_bytes(8, "little")
    mac = _poly1305(_chacha_block(key, 0, nonce)[:32], pad(associated) + pad(text) + lengths)
    if len(sealed) < 16 or mac != tag:
        return None
    stream = b"".join(_chacha_block(key, 1 + at // 64, nonce) for at in range(0, len(text), 64))
    return bytes(a ^ b for a, b in zip(text, stream))


def op_sealed_payload(case):
    sealed, epoch = octets_of(case["sealed"]), int(case["epoch"]).to_bytes(8, "little")
    key = derive(CONTEXTS["BLINDED_SEAL"], octets_of(case["secret"]) + epoch)
    associated = case["kind"].to_bytes(2, "little") + octets_of(case["signer"])
    if len(sealed) < 24:
        raise Refused("not-sealed")
    plain = xchacha_open(key, sealed[:24], sealed[24:], associated)
    if plain is None or len(plain) < 2:
        raise Refused("not-sealed")
    count = int.from_bytes(plain[:2], "little")
    if count > len(plain) - 2:
        raise Refused("not-sealed")
    return {"plain": plain[2:2 + count]}


def op_pulse(case):
    exported, datagram = octets_of(case["exported"]), octets_of(case["datagram"])
    kind = {0x24: "question", 0x25: "answer"}.get(datagram[0] if datagram else None)
    mac = keyed(derive(CONTEXTS["PULSE"], exported[8:]), datagram[:17])[:16]
    if kind is None or len(datagram) != 33 or datagram[1:9] != exported[:8] \
            or datagram[17:] != mac:
        raise Refused("no-meaning")
    return {"kind": kind, "nonce": datagram[9:17]}


# --- Invites (20-identity §6) ----------------------------------------------------------------

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def base64url_bytes(digits: str) -> bytes:
    if any(digit not in BASE64URL for digit in digits) or len(digits) % 4 == 1:
        raise Refused("damaged")
    bits = "".join(f"{BASE64URL.index(digit):06b}" for digit in digits)
    whole = len(bits) // 8 * 8
    if "1" in bits[whole:]:
        raise Refused("damaged")
    return bytes(int(bits[at:at + 8], 2) for at in range(0, whole, 8))


def op_invite(case):
    link = case["link"].strip()
    if not link.startswith("dchat:"):
        raise Refused("not-a-link")
    digits = link[len("dchat:"):]
    if len(digits) > 4096:
        raise Refused("damaged")
    data = base64url_bytes(digits)
    body, check = data[:-4], data[-4:]
    if len(data) < 5 or derive(CONTEXTS["INVITE_CHECK"], body)[:4] != check:
        raise Refused("damaged")
    if body[0] != 1:
        raise Refused("newer-version")
    return decode("Invite", body)


# --- Certificates (20-identity §7) -----------------------------------------------------------

SPKI = bytes.fromhex("302a300506032b6570032100")


def der(data: bytes):
    """Splits bytes into (tag, content, whole) until they end."""
    parts, at = [], 0
    while at < len(data):
        start, tag = at, data[at]
        length, at = data[at + 1] if at + 1 < len(data) else None, at + 2
        if length is not None and length & 0x80:
            width = length & 0x7F
            length = int.from_bytes(data[at:at + width], "big")
            at += width
            if width == 0 or length < 0x80:
                raise Refused("not-a-certificate")
        if length is None or at + length > len(data):
            raise Refused("not-a-certificate")
        parts.append((tag, data[at:at + length], data[start:at + length]))
        at += length
    return parts


def op_certificate(case):
    chain = [octets_of(item) for item in case["chain"]]
    if len(chain) != 1:
        raise Refused("certificate-count")
    outer = der(chain[0])
    if [part[0] for part in outer] != [0x30]:
        raise Refused("not-a-certificate")
    inner = der(outer[0][1])
    if [part[0] for part in inner] != [0x30, 0x30, 0x03]:
        raise Refused("not-a-certificate")
    fields = der(inner[0][1])
    shape = [0xA0, 0x02, 0x30, 0x30, 0x30, 0x30, 0x30]
    if [part[0] for part in fields[:7]] != shape:
        raise Refused("not-a-certificate")
    spki = fields[6][2]
    if spki[:12] != SPKI or len(spki) != 44:
        raise Refused("not-ed25519")
    usable_key(spki[12:])
    return {"key": spki[12:]}


# --- Digests (registry §5, 20-identity §6.1, 40-messaging §5 and §6, 30-transport §1) --------

CONTEXTS = {
    "PAIR": "dchat/1 2026-11 pair conversation",
    "ENTRY": "dchat/1 2026-11 entry hash",
    "ENTRY_ID": "dchat/1 2026-11 entry id",
    "INVITE_PROOF": "dchat/1 2026-11 invite proof",
    "INVITE_CHECK": "dchat/1 2026-11 invite checksum",
    "RESET_KEY": "dchat/1 2026-11 stateless reset key",
    "PROBE": "dchat/1 2026-11 path probe",
    "POSITION": "dchat/1 2026-11 dht position",
    "DHT_KEY": "dchat/1 2026-11 dht key",
    "RECORD": "dchat/1 2026-11 record digest",
    "BLINDED_SIGNER": "dchat/1 2026-11 blinded signer",
    "BLINDED_SEAL": "dchat/1 2026-11 blinded seal",
    "PULSE": "dchat/1 2026-11 pulse",
    "LOG": "dchat/1 2026-11 room log",
    "ITEM": "dchat/1 2026-11 item hash",
    "ITEM_BODY": "dchat/1 2026-11 item body",
    "FRONTIER": "dchat/1 2026-11 frontier",
    "MEMBERSHIP": "dchat/1 2026-11 membership operation",
    "ROOM_SECRET": "dchat/1 2026-11 room secret",
    "ROOM_KEY": "dchat/1 2026-11 room key",
    "ROOM": "dchat/1 2026-11 room",
    "ROOM_OPEN": "dchat/1 2026-11 room open",
    "ROOM_RENDEZVOUS": "dchat/1 2026-11 room rendezvous",
    "ROOM_BODY": "dchat/1 2026-11 room body",
    "ROOM_NONCE": "dchat/1 2026-11 room nonce",
    "ROOM_AUTHOR": "dchat/1 2026-11 room author",
}


def op_derive(case):
    if case["context"] not in CONTEXTS.values():
        raise AssertionError("a context that is not in the registry")
    return {"digest": derive(case["context"], b"".join(map(octets_of, case["parts"])))}


def op_pair(case):
    keys = sorted([octets_of(case["one"]), octets_of(case["other"])])
    return {"conversation": derive(CONTEXTS["PAIR"], b"".join(keys))}


def log_prefix(case) -> bytes:
    return (octets_of(case["conversation"]) + octets_of(case["author"])
            + octets_of(case["incarnation"]) + int(case["seq"]).to_bytes(8, "little"))


def op_entry_id(case):
    return {"id": derive(CONTEXTS["ENTRY_ID"], log_prefix(case))[:16]}


def op_entry_hash(case):
    content = octets_of(case["content"])
    decode("Content", content)
    return {"hash": derive(CONTEXTS["ENTRY"],
                           log_prefix(case) + octets_of(case["prev"]) + content)}


def op_invite_proof(case):
    key = derive(CONTEXTS["INVITE_PROOF"], octets_of(case["secret"]))
    return {"mac": keyed(key, octets_of(case["inviter"]) + octets_of(case["redeemer"]))}


def op_invite_check(case):
    return {"check": derive(CONTEXTS["INVITE_CHECK"], octets_of(case["body"]))[:4]}


def op_reset_key(case):
    return {"key": derive(CONTEXTS["RESET_KEY"], octets_of(case["seed"]))}


# --- Probes (30-transport §6) ----------------------------------------------------------------

def op_probe(case):
    exported, datagram = octets_of(case["exported"]), octets_of(case["datagram"])
    half = exported[:40] if case["sender"] == "dialer" else exported[40:]
    if len(datagram) < 64:
        raise Refused("unexpected-end")
    mac = keyed(derive(CONTEXTS["PROBE"], half[8:]), datagram[:48] + datagram[64:])[:16]
    if datagram[1:9] != half[:8] or datagram[48:64] != mac:
        raise Refused("invalid")
    kind, ip, port = datagram[0], datagram[17:33], int.from_bytes(datagram[33:35], "little")
    if any(datagram[35:48]) or any(datagram[64:]):
        raise Refused("invalid")
    result = {"transaction": datagram[9:17]}
    if kind == 0x21 and len(datagram) <= 1472 and not any(ip) and port == 0:
        return {"kind": "ask", "observed": None, **result}
    if kind == 0x22 and len(datagram) == 64:
        seen = ipaddress.IPv6Address(ip)
        host = str(seen.ipv4_mapped) if seen.ipv4_mapped else f"[{seen}]"
        return {"kind": "answer", "observed": f"{host}:{port}", **result}
    raise Refused("invalid")


# --- Parcels (40-messaging §4) ---------------------------------------------------------------

def padded(length: int) -> int:
    m = max(length, 256)
    e = m.bit_length() - 1
    g = 1 << (e - e.bit_length())
    return min(-(-m // g) * g, 131072)


def op_padded_length(case):
    if case["length"] > 131072:
        raise Refused("over-limit")
    return {"padded": padded(case["length"])}


def op_parcel(case):
    data = octets_of(case["bytes"])
    if len(data) > 131072:
        raise Refused("over-limit")
    parcel = decode("Parcel", data)
    if padded(len(data) - len(parcel["padding"])) != len(data):
        raise Refused("invalid", "Parcel.padding")
    return parcel


# --- Small things (30-transport §3 and §8, 10-encoding §5.1) ---------------------------------

CLOSE_CODES = [
    ("DONE", "done"), ("INTERNAL", "internal error"), ("MALFORMED", "malformed frame"),
    ("UNEXPECTED", "unexpected frame"), ("VERSION", "no common version"),
    ("UNSUPPORTED", "critical frame not supported"),
    ("DUPLICATE", "another connection was kept"), ("LIMIT", "limit exceeded"),
    ("TIMEOUT", "no HELLO in time"), ("REFUSED", "refused"), ("MYSELF", "connected to itself"),
]


def op_close_code(case):
    value = int(case["value"])
    if value >= len(CLOSE_CODES):
        raise Refused("unknown-code")
    name, meaning = CLOSE_CODES[value]
    return {"name": name, "text": meaning}


def op_common_version(case):
    low = max(case["one"][0], case["other"][0])
    high = min(case["one"][1], case["other"][1])
    if low > high:
        raise Refused("no-common-version")
    return {"version": high}


def op_reserved(case):
    if case["code"] & 0x0F0F != 0x0A0A:
        raise Refused("not-reserved")
    return {}


# --- Olm (40-messaging §3; RFC 7748, RFC 5869, FIPS 197) -------------------------------------

def x25519(secret: bytes, public: bytes) -> bytes:
    k = int.from_bytes(secret, "little")
    k = k & ~7 & (2**255 - 1) | 2**254
    u = int.from_bytes(public, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def x25519_public(secret: bytes) -> bytes:
    return x25519(secret, (9).to_bytes(32, "little"))


def agree(secret: bytes, public: bytes) -> bytes:
    shared = x25519(secret, public)
    if not any(shared):
        raise Refused("not-a-key")
    return shared


def hmac256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    key, block, output = hmac256(salt, secret), b"", b""
    while len(output) < length:
        block = hmac256(key, block + info + bytes([len(output) // 32 + 1]))
        output += block
    return output[:length]


def _aes_tables():
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        turned = [(q << n | q >> (8 - n)) & 0xFF for n in range(5)]
        box[p] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    inverse = [0] * 256
    for source, target in enumerate(box):
        inverse[target] = source
    return box, inverse


AES_BOX, AES_INVERSE = _aes_tables()


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


AES_TIMES = {by: [_times(value, by) for value in range(256)] for by in (9, 11, 13, 14)}


def aes256_decrypt_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    words, round_constant = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
    for index in range(8, 60):
        word = list(words[-1])
        if index % 8 == 0:
            word = [AES_BOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= round_constant
            round_constant <<= 1
        elif index % 8 == 4:
            word = [AES_BOX[byte] for byte in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])
    keys = [sum(words[4 * turn:4 * turn + 4], []) for turn in range(15)]
    nine, eleven, thirteen, fourteen = (AES_TIMES[by] for by in (9, 11, 13, 14))
    output = b""
    for at in range(0, len(data), 16):
        block = data[at:at + 16]
        state = [a ^ b for a, b in zip(block, keys[14])]
        for turn in reversed(range(14)):
            state = [AES_INVERSE[state[(index - 4 * (index % 4)) % 16]] for index in range(16)]
            state = [a ^ b for a, b in zip(state, keys[turn])]
            if turn:
                mixed = []
                for column in range(0, 16, 4):
                    a, b, c, d = state[column:column + 4]
                    mixed += [fourteen[a] ^ eleven[b] ^ thirteen[c] ^ nine[d],
                              nine[a] ^ fourteen[b] ^ eleven[c] ^ thirteen[d],
                              thirteen[a] ^ nine[b] ^ fourteen[c] ^ eleven[d],
                              eleven[a] ^ thirteen[b] ^ nine[c] ^ fourteen[d]]
                state = mixed
        output += bytes(a ^ b for a, b in zip(state, iv))
        iv = block
    return output


def cbc_opened(keys: bytes, ciphertext: bytes) -> bytes:
    """The text under the 80 bytes of a message's keys, without its padding (PKCS #7)."""
    if not ciphertext or len(ciphertext) % 16:
        raise Refused("undecryptable")
    padded_text = aes256_decrypt_cbc(keys[:32], keys[64:], ciphertext)
    fill = padded_text[-1]
    if not 1 <= fill <= 16 or padded_text[-fill:] != bytes([fill]) * fill:
        raise Refused("undecryptable")
    return padded_text[:-fill]


def root_and_chain(data: bytes) -> tuple[bytes, bytes]:
    return data[:32], data[32:]


def op_olm_keys(case):
    key = {name: octets_of(value) for name, value in case.items() if name != "claimed"}
    shared = (agree(key["identity_secret"], key["their_fallback"])
              + agree(key["base_secret"], key["their_identity"])
              + agree(key["base_secret"], key["their_fallback"]))
    root, chain = root_and_chain(hkdf(b"\0", shared, b"OLM_ROOT", 64))
    first, second = hmac256(chain, b"\1"), hmac256(hmac256(chain, b"\2"), b"\1")
    turned = agree(key["ratchet_secret"], key["their_ratchet"])
    reply_root, reply_chain = root_and_chain(hkdf(root, turned, b"OLM_RATCHET", 64))
    session = hashlib.sha256(x25519_public(key["identity_secret"])
                             + x25519_public(key["base_secret"])
                             + key["their_fallback"]).digest()
    # The session comes first: it is what a claim is compared with.
    return {"session": session, "shared": shared, "root": root, "chain": chain,
            "message_key_0": first, "message_key_1": second,
            "cipher_keys_0": hkdf(b"\0", first, b"OLM_KEYS", 80),
            "reply_root": reply_root, "reply_chain": reply_chain}


def protobuf(data: bytes, shape) -> list:
    """Fields in the order of the profile: tag 0x10 is a varint, others have a length."""
    at, values = 0, []

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            if at >= len(data) or shift > 63:
                raise Refused("bad-olm-message")
            byte, at = data[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    for tag, length in shape:
        if varint() != tag:
            raise Refused("bad-olm-message")
        number = varint()
        if tag == 0x10:
            values.append(number)
            continue
        if number > len(data) - at or (length is not None and number != length):
            raise Refused("bad-olm-message")
        values.append(data[at:at + number])
        at += number
    if at != len(data):
        raise Refused("bad-olm-message")
    return values


def olm_message(data: bytes):
    if len(data) < 10 or data[0] != 3:
        raise Refused("bad-olm-message")
    ratchet, index, ciphertext = protobuf(data[1:-8], [(0x0A, 32), (0x10, None), (0x22, None)])
    return {"ratchet_key": ratchet, "index": str(index), "ciphertext": ciphertext,
            "mac": data[-8:]}


def olm_opening(data: bytes):
    if not data or data[0] != 3:
        raise Refused("bad-olm-message")
    shape = [(0x0A, 32), (0x12, 32), (0x1A, 32), (0x22, None)]
    fallback, base, identity, message = protobuf(data[1:], shape)
    olm_message(message)
    return {"fallback_key": fallback, "base_key": base, "identity_key": identity,
            "message": message}


def op_olm_message(case):
    return (olm_opening, olm_message)[case["stage"]](octets_of(case["bytes"]))


def op_olm_decrypt(case):
    identity, fallback = octets_of(case["identity_secret"]), octets_of(case["fallback_secret"])
    plaintexts, used = [], set()
    for data in map(octets_of, case["messages"]):
        opening = olm_opening(data)
        theirs, base = opening["identity_key"], opening["base_key"]
        if theirs != octets_of(case["sender_identity"]):
            raise Refused("wrong-identity")
        session = hashlib.sha256(theirs + base + opening["fallback_key"]).digest()
        if session != octets_of(case["session"]):
            raise Refused("mismatch")
        shared = agree(fallback, theirs) + agree(identity, base) + agree(fallback, base)
        _, chain = root_and_chain(hkdf(b"\0", shared, b"OLM_ROOT", 64))
        message = olm_message(opening["message"])
        index = int(message["index"])
        if index in used:
            raise Refused("undecryptable")
        for _ in range(index):
            chain = hmac256(chain, b"\2")
        keys = hkdf(b"\0", hmac256(chain, b"\1"), b"OLM_KEYS", 80)
        if hmac256(keys[32:64], opening["message"][:-8])[:8] != message["mac"]:
            raise Refused("undecryptable")
        plaintexts.append(cbc_opened(keys, message["ciphertext"]))
        used.add(index)
    return {"plaintexts": plaintexts}


# --- Megolm (81-groups §5.1) -------------------------------------------------------------------

def megolm_next(index: int, parts: list[bytes]) -> tuple[int, list[bytes]]:
    index += 1
    turn = next(part for part in range(4) if index % 256 ** (3 - part) == 0)
    return index, parts[:turn] + [hmac256(parts[turn], bytes([part])) for part in range(turn, 4)]


def megolm_fields(data: bytes) -> tuple[int, bytes]:
    """Index and ciphertext of a message without its MAC and signature."""
    if len(data) < 2 or data[0] != 3 or data[1] != 0x08:
        raise Refused("bad-megolm-message")
    at, numbers = 2, []
    while len(numbers) < 2:
        value = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise Refused("bad-megolm-message")
            byte, at = data[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        numbers.append(value)
        if len(numbers) == 1:
            if data[at:at + 1] != b"\x12":
                raise Refused("bad-megolm-message")
            at += 1
    if at + numbers[1] != len(data):
        raise Refused("bad-megolm-message")
    return numbers[0], data[at:]


def op_megolm_decrypt(case):
    export = octets_of(case["session"])
    if len(export) != 165 or export[0] != 1:
        raise Refused("bad-megolm-session")
    first = int.from_bytes(export[1:5], "big")
    ratchet = [export[at:at + 32] for at in range(5, 133, 32)]
    plaintexts, indices = [], []
    for data in map(octets_of, case["messages"]):
        if len(data) < 72:
            raise Refused("bad-megolm-message")
        index, ciphertext = megolm_fields(data[:-72])
        if not ed25519_holds(export[133:], data[:-64], data[-64:]) or index < first:
            raise Refused("undecryptable")
        at, parts = first, ratchet
        while at < index:
            at, parts = megolm_next(at, parts)
        keys = hkdf(b"\0", b"".join(parts), b"MEGOLM_KEYS", 80)
        if hmac256(keys[32:64], data[:-72])[:8] != data[-72:-64]:
            raise Refused("undecryptable")
        plaintexts.append(cbc_opened(keys, ciphertext))
        indices.append(index)
    return {"plaintexts": plaintexts, "indices": indices}


# --- Rooms (80-gossip §2, §4) -----------------------------------------------------------------

INVISIBLE = (range(0xAD, 0xAE), range(0x34F, 0x350), range(0x61C, 0x61D), range(0x115F, 0x1161),
             range(0x17B4, 0x17B6), range(0x180B, 0x1810), range(0x200B, 0x2010),
             range(0x202A, 0x202F), range(0x2060, 0x2070), range(0x3164, 0x3165),
             range(0xFE00, 0xFE10), range(0xFEFF, 0xFF00), range(0xFFA0, 0xFFA1),
             range(0xFFF0, 0xFFF9), range(0x1BCA0, 0x1BCA4), range(0x1D173, 0x1D17B),
             range(0xE0000, 0xE1000))


def fold(text: str) -> str:
    text = "".join(c for c in text if not any(ord(c) in some for some in INVISIBLE))
    text = unicodedata.normalize("NFKC", text)
    upper = "".join(c.upper() for c in text)
    return unicodedata.normalize("NFKC", "".join(c.lower() for c in upper))


def room_name(text: str) -> str:
    if len(text.encode()) > 1024 or any(unicodedata.category(c) in ("Cn", "Co") for c in text):
        raise Refused("bad-name")
    before = None
    while text != before:
        before, text = text, fold(text)
    name = text.removeprefix("#")
    if not 1 <= len(name.encode()) <= 64 or "#" in name \
            or any(c.isspace() or unicodedata.category(c) == "Cc" for c in name):
        raise Refused("bad-name")
    return name


def room_key(case) -> tuple[str, bytes]:
    name, secret = room_name(case["text"]), bytes(32)
    if case["secret"] is not None:
        secret = octets_of(case["secret"]).rstrip(b"\r\n")
        if not 16 <= len(secret) <= 1024:
            raise Refused("bad-secret")
        secret = derive(CONTEXTS["ROOM_SECRET"], secret)
    return name, derive(CONTEXTS["ROOM_KEY"], secret + name.encode())


def op_room(case):
    name, key = room_key(case)
    room = derive(CONTEXTS["ROOM"], key)
    seed = derive(CONTEXTS["ROOM_AUTHOR"], octets_of(case["seed"]) + room)
    tag = derive(CONTEXTS["ROOM_OPEN"], key + octets_of(case["one"]) + octets_of(case["other"]))
    return {"name": name, "author": ed25519_public(seed), "room": room,
            "rendezvous": derive(CONTEXTS["ROOM_RENDEZVOUS"], key), "tag": tag}


def header_bytes(item: bytes) -> bytes:
    """The encoded header in front of an encoded SignedItem."""
    reader = Reader(item)
    ItemHeader[1](reader)
    return item[:reader.at]


def signed_by(key: bytes, context: str, message: bytes, signature: bytes) -> None:
    """As verify, for 32 bytes that nothing has found to be a key."""
    if accepted_key(key) is None:
        raise Refused("bad-signature")
    verify(key, context, message, signature)


def op_item(case):
    room, data = octets_of(case["room"]), octets_of(case["bytes"])
    item = decode("SignedItem", data)
    header, body, encoded = item["header"], item["body"], header_bytes(data)
    if not 1 <= header["seq"] < 1 << 22:
        raise Refused("bad-sequence")
    if (header["seq"] == 1) != (header["prev"] == bytes(32)):
        raise Refused("bad-previous")
    if header["floor"] > header["seq"]:
        raise Refused("bad-floor")
    if int(header["lamport"]) < int(header["sent_at"]):
        raise Refused("bad-lamport")
    if header["body_len"] > 66560 if body is None else header["body_len"] != len(body) \
            or header["body_hash"] != derive(CONTEXTS["ITEM_BODY"], body):
        raise Refused("bad-body")
    signed_by(header["author"], "dchat/1 item", room + encoded, item["signature"])
    log = derive(CONTEXTS["LOG"], room + header["author"] + header["incarnation"])[:16]
    return {"log": log, "hash": derive(CONTEXTS["ITEM"], room + encoded)}


def op_room_body(case):
    _, key = room_key(case)
    room, data = derive(CONTEXTS["ROOM"], key), octets_of(case["item"])
    item = decode("SignedItem", data)
    if item["body"] is None:
        raise Refused("stub")
    header = header_bytes(data)
    # The two fields lie in front of the block of extensions, which is empty here.
    assert not item["header"]["extensions"]
    place = room + header[:-44] + bytes(36) + header[-8:]
    nonce = derive(CONTEXTS["ROOM_NONCE"], place)[:24]
    plain = xchacha_open(derive(CONTEXTS["ROOM_BODY"], key), nonce, item["body"], place)
    if plain is None:
        raise Refused("not-sealed")
    body = decode("RoomBody", plain)
    try:
        verify(body["author"], "dchat/1 room author", room + item["header"]["author"],
               body["statement"])
    except Refused:
        raise Refused("false-author") from None
    return {name: body[name] for name in ("author", "name", "content")}


# --- Digests, sketches and sums (80-gossip §5, §6, §9) ----------------------------------------

def counting(case):
    """The logs that count: name, hash, sequence and value."""
    return sorted((octets_of(log["name"]),
                   *((bytes(32), 0, 1 << 22) if log["closed"]
                     else (octets_of(log["hash"]), log["seq"], log["seq"])))
                  for log in case["logs"]
                  if (log["seq"] or log["closed"]) and log["hour"] >= case["horizon"])


def op_digest(case):
    logs, parts = counting(case), b""
    for first in range(256):
        part = b"".join(name + tip + value.to_bytes(4, "little")
                        for name, tip, _, value in logs if name[0] == first)
        parts += derive(CONTEXTS["FRONTIER"], part) if part else bytes(32)
    nonces = b"".join(nonce.to_bytes(8, "little") for nonce in sorted(map(int, case["nonces"])))
    root = derive(CONTEXTS["FRONTIER"], nonces + derive(CONTEXTS["FRONTIER"], parts))
    return {"root": str(int.from_bytes(root[:8], "little")),
            "total": sum(seq for _, _, seq, _ in logs) & _M32}


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4."""
    def rotated(word, by):
        return (word << by | word >> 64 - by) & _M64

    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(count):
        nonlocal a, b, c, d
        for _ in range(count):
            a, c = a + b & _M64, c + d & _M64
            b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
            a = rotated(a, 32)
            c, a = c + b & _M64, a + d & _M64
            b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
            c = rotated(c, 32)

    tail = len(message) % 8
    padded_message = message + bytes(7 - tail) + bytes([len(message) & 255])
    for at in range(0, len(padded_message), 8):
        word = int.from_bytes(padded_message[at:at + 8], "little")
        d ^= word
        rounds(2)
        a ^= word
    c ^= 0xFF
    rounds(4)
    return a ^ b ^ c ^ d


PRIMES = (16777213, 4294967291, 65521)


def hash_in_sketch(name: bytes, salt: int) -> int:
    return siphash(salt.to_bytes(8, "little") + b"ks tahcd", name) % (PRIMES[1] - 1) + 1


def check_in_sketch(hashed: int) -> int:
    mixed = (hashed ^ 0x5BD1E995) * 0x9E3779B97F4A7C15 & _M64
    return 1 + (mixed >> 40) % (PRIMES[2] - 1)


def cells_of(hashed: int, salt: int, end: int) -> list[int]:
    state, cell, cells = hashed << 32 | salt, 0, []
    while cell < end:
        cells.append(cell)
        state = state + 0x9E3779B97F4A7C15 & _M64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _M64
        root = math.isqrt(((z ^ z >> 31) >> 32) + 1 << 32)
        cell += (2 * cell + 3) * ((1 << 32) - root) // (2 * root) + 1
    return cells


def sketched(case) -> dict[bytes, int]:
    tips = case["of"] == 1
    return {name: int.from_bytes(tip[:3], "little") % (1 << 22) if tips else value
            for name, tip, _, value in counting(case)}


def add_to(sums, hashed: int, salt: int, amount: int) -> None:
    for cell in cells_of(hashed, salt, len(sums)):
        parts = zip(sums[cell], (1, hashed, check_in_sketch(hashed)), PRIMES)
        sums[cell] = [(part + amount * factor) % prime for part, factor, prime in parts]


def op_sketch(case):
    first, salt = case["first"], int(case["salt"])
    sums = [[0, 0, 0] for _ in range(first + case["count"])]
    for name, value in sketched(case).items():
        add_to(sums, hash_in_sketch(name, salt), salt, value)
    return {"cells": b"".join(amount.to_bytes(3, "little") + hashed.to_bytes(4, "little")
                              + check.to_bytes(2, "little")
                              for amount, hashed, check in sums[first:])}


def op_sketch_read(case):
    data, salt, ours = octets_of(case["bytes"]), int(case["salt"]), sketched(case)
    if not data or len(data) % 9 or len(data) > 9 * 16384:
        raise Refused("bad-cells")
    sums = [[int.from_bytes(data[at + low:at + high], "little")
             for low, high in ((0, 3), (3, 7), (7, 9))] for at in range(0, len(data), 9)]
    if any(part >= prime for cell in sums for part, prime in zip(cell, PRIMES)):
        raise Refused("bad-cells")
    names: dict[int, list[bytes]] = {}
    for name, value in ours.items():
        hashed = hash_in_sketch(name, salt)
        names.setdefault(hashed, []).append(name)
        add_to(sums, hashed, salt, -value)
    known, unknown, doubtful = [], [], list(range(len(sums)))
    while doubtful and len(known) + len(unknown) <= len(sums):
        at = doubtful.pop()
        amount = sums[at][0]
        amount -= PRIMES[0] if amount > PRIMES[0] // 2 else 0
        if not amount:
            continue
        hashed = sums[at][1] * pow(amount, -1, PRIMES[1]) % PRIMES[1]
        if not hashed or sums[at][2] != amount * check_in_sketch(hashed) % PRIMES[2] \
                or at not in cells_of(hashed, salt, at + 1):
            continue
        found = names.get(hashed, [])
        if len(found) == 1 and 0 <= ours[found[0]] + amount < 1 << 23:
            known.append({"log": found[0], "theirs": ours[found[0]] + amount})
        elif len(found) != 1 and (found or amount > 0):
            unknown.append(hashed)
        else:
            continue
        add_to(sums, hashed, salt, -amount)
        doubtful += cells_of(hashed, salt, len(sums))
    if any(part for cell in sums for part in cell):
        raise Refused("unreadable")
    return {"known": sorted(known, key=lambda one: one["log"]),
            "unknown": [str(hashed) for hashed in sorted(unknown)]}


def op_span(case):
    key = int(case["salt"]).to_bytes(8, "little") + b"musegnar"
    first, end = (tuple(map(int, place)) for place in case["span"])
    within = [place for place in (tuple(map(int, place)) for place in case["items"])
              if first <= place < end]
    total = sum(siphash(key, lamport.to_bytes(8, "little") + hashed.to_bytes(8, "little"))
                for lamport, hashed in within)
    return {"sum": str(total & _M64), "count": len(within)}


# --- Groups (81-groups §2, §3) ----------------------------------------------------------------

CREATE, INVITE, ACCEPT, LEAVE, REMOVE, PROMOTE, RENAME, POLICY = range(1, 9)


def opened(data: bytes):
    """An operation with its hash and the signatures checked."""
    signed = decode("SignedOperation", data)
    operation = decode("Operation", signed["body"])
    verify(operation["author"], "dchat/1 membership", signed["body"], signed["signature"])
    seat = operation["seat"]
    if seat:
        signed_by(seat["key"], "dchat/1 seat", operation["group"] + operation["author"],
                  seat["proof"])
    return derive(CONTEXTS["MEMBERSHIP"], signed["body"]), operation


def op_operation(case):
    name, operation = opened(octets_of(case["bytes"]))
    return {"hash": name, "author": operation["author"]}


class Group:
    """The operations of a group, by their hashes."""

    def __init__(self, name: bytes):
        self.name, self.known, self.waiting = name, {}, {}
        self.past, self.depth = {}, {}

    def insert(self, name: bytes, one) -> None:
        creates = one["deed"] == CREATE
        if creates != (name == self.name) or not creates and one["group"] != self.name:
            raise Refused("other-group")
        if (one["subject"] is not None) != (one["deed"] in (INVITE, REMOVE, PROMOTE)) \
                or (one["seat"] is not None) != (one["deed"] in (CREATE, ACCEPT)) \
                or one["cut"] and one["deed"] not in (LEAVE, REMOVE) \
                or (not one["after"]) != creates \
                or creates and (one["group"] != bytes(32) or one["seq"] != 1):
            raise Refused("bad-shape")
        self.waiting[name] = one
        ready = True
        while ready:
            ready = [name for name, one in self.waiting.items()
                     if all(parent in self.known for parent in one["after"])]
            for name in ready:
                self.add(name, self.waiting.pop(name))

    def add(self, name: bytes, one) -> None:
        past = set(one["after"]).union(*(self.past[parent] for parent in one["after"]))
        earlier = [self.known[other] for other in past]
        own = [other for other in earlier if other["author"] == one["author"]]
        if one["deed"] != CREATE:
            if one["seat"] and any(other["seat"] and other["seat"]["key"] == one["seat"]["key"]
                                   for other in own):
                raise Refused("old-key")
            if not any(other["deed"] == INVITE and other["subject"] == one["author"]
                       for other in earlier) and not any(other["deed"] == CREATE for other in own):
                raise Refused("stranger")
            if one["seq"] != max((other["seq"] for other in own), default=0) + 1:
                raise Refused("bad-shape")
        self.known[name], self.past[name] = one, past
        self.depth[name] = max((self.depth[parent] + 1 for parent in one["after"]), default=0)

    def standing(self, valid, who: bytes):
        """What somebody is by the valid operations in a set of hashes."""
        ends = {name for name in valid if self.ends(name, who)}
        lasting = [self.known[name] for name in valid if ends <= self.past[name]]
        own = {one["deed"] for one in lasting if one["author"] == who}
        about = {one["deed"] for one in lasting if one["subject"] == who}
        if CREATE in own:
            return "admin"
        if ACCEPT in own:
            return "admin" if PROMOTE in about else "member"
        return "invited" if INVITE in about else None

    def ends(self, name: bytes, who: bytes) -> bool:
        one = self.known[name]
        return one["deed"] == REMOVE and one["subject"] == who \
            or one["deed"] == LEAVE and one["author"] == who

    def entitled(self, valid, name: bytes) -> bool:
        one = self.known[name]
        held = self.standing(valid & self.past[name], one["author"])
        if one["deed"] in (CREATE, LEAVE):
            return one["deed"] == CREATE or held is not None
        return held == ("invited" if one["deed"] == ACCEPT else "admin")

    def strikes(self, valid, removal: bytes, name: bytes) -> bool:
        author = self.known[name]["author"]
        if removal == name or self.known[removal]["subject"] != author \
                or name in self.past[removal]:
            return False
        return not any(self.known[other]["deed"] == INVITE
                       and self.known[other]["subject"] == author
                       and removal in self.past[other]
                       for other in self.past[name] & valid)

    def senior(self, who: bytes):
        places = [(0, bytes(32)) for one in self.known.values()
                  if one["deed"] == CREATE and one["author"] == who]
        places += [(self.depth[name], name) for name, one in self.known.items()
                   if one["deed"] == INVITE and one["subject"] == who]
        return min(places)

    def judged(self):
        """The hashes of the valid and of the void operations."""
        valid, void = set(), set()
        removals = [name for name, one in self.known.items() if one["deed"] == REMOVE]
        while len(valid) + len(void) < len(self.known):
            done = valid | void
            blocked, progress = [], False
            for name in self.known:
                if name in done or not self.past[name] <= done:
                    continue
                striking = [removal for removal in removals if self.strikes(valid, removal, name)]
                if not self.entitled(valid, name) or valid.intersection(striking):
                    void.add(name)
                elif set(striking) <= void:
                    valid.add(name)
                else:
                    blocked.append(name)
                    continue
                progress = True
                break
            if progress:
                continue
            first = min(blocked, key=lambda name: (
                self.known[name]["deed"] != REMOVE,
                self.senior(self.known[name]["author"]), name))
            if self.known[first]["deed"] == REMOVE:
                void |= {removal for removal in removals
                         if removal not in valid | void and self.strikes(valid, removal, first)}
            valid.add(first)
        return valid, void

    def outcome(self):
        valid, void = self.judged()
        order = sorted(valid, key=lambda name: (self.depth[name], name))
        title, policy, people = "", {"late": "none", "keep": "forever"}, []
        for name in order:
            one = self.known[name]
            if one["deed"] in (CREATE, RENAME):
                title = one["text"]
            key, _, value = one["text"].partition("=")
            if one["deed"] == POLICY and re.fullmatch(
                    r"late=(none|all|[1-9][0-9]{0,9})|keep=(forever|[1-9][0-9]{0,9}[mhd])",
                    one["text"]):
                policy[key] = value
            who = {CREATE: one["author"], INVITE: one["subject"]}.get(one["deed"])
            if who and who not in people and len(people) < 256 and self.standing(valid, who):
                people.append(who)
        writers = {}
        for name in order:
            one = self.known[name]
            if not one["seat"] or one["seat"]["key"] in writers:
                continue
            ends = [end for end in valid
                    if self.ends(end, one["author"]) and end not in self.past[name]]
            first = [end for end in ends if not self.past[end].intersection(ends)]
            if one["author"] not in people and not first:
                continue
            cuts = [{cut["log"]: cut["seq"] for cut in self.known[end]["cut"]} for end in first]
            logs = set.intersection(*map(set, cuts)) if cuts else None
            writers[one["seat"]["key"]] = {
                "key": one["seat"]["key"], "member": one["author"],
                "ends": logs if logs is None else
                [{"log": log, "seq": min(cut[log] for cut in cuts)} for log in sorted(logs)]}
        return {"members": [{"peer": who, "standing": self.standing(valid, who)}
                            for who in sorted(people)],
                "writers": [writers[key] for key in sorted(writers)],
                "name": title, "policy": f"late={policy['late']} keep={policy['keep']}",
                "void": sorted(void)}


def op_membership(case):
    group = Group(octets_of(case["group"]))
    for data in map(octets_of, case["operations"]):
        group.insert(*opened(data))
    assert not group.waiting
    return group.outcome()


# --- The vectors (92-vectors) --------------------------------------------------------------------

def op_signature(case):
    verify(octets_of(case["signer"]), case["context"], octets_of(case["message"]),
           octets_of(case["signature"]))
    return {}


def op_signed_bytes(case):
    return {"bytes": signed_bytes(case["context"], octets_of(case["message"]))}


def op_address_bytes(case):
    data = octets_of(case["bytes"])
    if len(data) > 128:
        raise Refused("over-limit")
    return {"text": address_of_bytes(data)}


def op_address_text(case):
    canonical, data = address_of_text(case["text"])
    return {"text": canonical, "bytes": data}


def op_peer_id_bytes(case):
    key = octets_of(case["key"])
    usable_key(key)
    return {"text": peer_text(key)}


OPERATIONS = {
    "decode": lambda case: decode(case["type"], octets_of(case["bytes"])),
    "peer-id-text": lambda case: {"key": peer_key(case["text"])},
    **{name[3:].replace("_", "-"): function
       for name, function in dict(globals()).items() if name.startswith("op_")},
}


def octets_of(value) -> bytes:
    """Bytes as the vectors write them: hexadecimal, or a list of pieces."""
    if isinstance(value, str):
        return bytes.fromhex(value)
    return b"".join(bytes.fromhex(piece["repeat"]) * piece["times"]
                    if isinstance(piece, dict) else bytes.fromhex(piece) for piece in value)


def same(ours, theirs) -> bool:
    """Whether a value of ours is the one that a vector spells out."""
    if isinstance(ours, bytes):
        return not isinstance(theirs, (dict, int)) and theirs is not None \
            and octets_of(theirs) == ours
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() \
            and all(same(value, theirs[name]) for name, value in ours.items())
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) \
            and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def run(case) -> str | None:
    """What is wrong with our answer to a case, or None."""
    values = case["input"]
    try:
        output = OPERATIONS[case["op"]](values)
        if "claimed" in values and not same(next(iter(output.values())), values["claimed"]):
            raise Refused("mismatch")
    except Refused as refused:
        if case["result"] == "valid":
            return f"refused with {refused.error} at {refused.field}"
        if refused.error != case["error"]:
            return f"{refused.error} instead of {case['error']}"
        if "field" in case and refused.field != case["field"]:
            return f"{refused.error} at {refused.field} instead of {case['field']}"
        if "expected" in case and not same(refused.output, case["expected"]):
            return "other frames before the error"
        return None
    if case["result"] == "invalid":
        return f"accepted instead of {case['error']}"
    if not same(output, case["expected"]):
        return f"{output!r} instead of {case['expected']!r}"
    return None


def fits(value, schema, root) -> str | None:
    """Why a value does not follow a schema: the part of JSON Schema that schema.json uses."""
    if "$ref" in schema:
        target = root
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return fits(value, target, root)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
    if "type" in schema and type(value) is not kinds[schema["type"]]:
        return f"{value!r} is no {schema['type']}"
    if "const" in schema and value != schema["const"]:
        return f"{value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is not one of {schema['enum']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return f"{value!r} does not match {schema['pattern']}"
    if "minimum" in schema and value < schema["minimum"]:
        return f"{value} is below {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"{value} is above {schema['maximum']}"
    if "anyOf" in schema:
        reasons = [fits(value, choice, root) for choice in schema["anyOf"]]
        if None not in reasons:
            return "; ".join(reasons)
    for rule in schema.get("allOf", []):
        branch = rule.get("then") if fits(value, rule["if"], root) is None else rule.get("else")
        reason = fits(value, branch, root) if branch else None
        if reason:
            return reason
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            return "too few items"
        for item in value:
            reason = fits(item, schema.get("items", {}), root)
            if reason:
                return reason
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                return f"{name} is missing"
        for name, item in value.items():
            if name not in known and schema.get("additionalProperties", True) is False:
                return f"{name} is not known"
            reason = fits(item, known.get(name, {}), root)
            if reason:
                return f"{name}: {reason}"
    return None


def main() -> int:
    here = Path(__file__).resolve().parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "vectors"
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    passed = failed = 0
    for path in sorted(folder.glob("*.json")):
        if path.name == "schema.json":
            continue
        suite = json.loads(path.read_text(encoding="utf-8"))
        reason = fits(suite, schema, schema)
        if reason:
            print(f"{path.name}: {reason}")
            failed += 1
        for case in suite["cases"]:
            reason = run(case)
            if reason is None:
                passed += 1
            else:
                failed += 1
                print(f"{case['id']}: {reason[:500]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
