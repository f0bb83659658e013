"""The bodies this peer speaks: 20-identity section 6, 30-transport sections 3 and 4, 40-messaging
sections 2 and 4; and the one answer of 60-relay that every node gives."""

from __future__ import annotations

from address import ADDRESS
from encoding import (
    EXTENSIONS,
    U8,
    U16,
    U32,
    U64,
    Bytes,
    Checked,
    Fixed,
    List,
    Option,
    Refused,
    Structure,
    Text,
    decode_body,
)
from identity import PEER_ID, SIGNED_RECORD


class _Pair:
    """Two `u16`, as (low, high)."""

    least = 4

    def decode(self, reader) -> tuple[int, int]:
        return U16.decode(reader), U16.decode(reader)

    def encode(self, value: tuple[int, int]) -> bytes:
        return U16.encode(value[0]) + U16.encode(value[1])


def _ascending(numbers: list[int]) -> bool:
    return all(one < other for one, other in zip(numbers, numbers[1:]))


VERSIONS = Checked(_Pair(), lambda pair: 1 <= pair[0] <= pair[1])
CAPABILITIES = Checked(List(U16, 64), _ascending)

HELLO = Structure(
    "Hello",
    versions=VERSIONS,
    instance=Fixed(16),
    roles=U64,
    capabilities=CAPABILITIES,
    extensions=EXTENSIONS,
)
IDENTIFY = Structure(
    "Identify",
    revision=U64,
    observed=Option(ADDRESS),
    addresses=List(ADDRESS, 16),
    extensions=EXTENSIONS,
)
PING = Structure("Ping", nonce=U64, extensions=EXTENSIONS)

# What a node that is no relay says to who takes it for one (60-relay section 1).
RELAY_REASONS = range(1, 10)
NOT_A_RELAY = 1
RELAY_REFUSED = Structure(
    "RelayRefused",
    reason=Checked(U16, lambda reason: reason in RELAY_REASONS),
    retry_after_s=U32,
    extensions=EXTENSIONS,
)

INVITE_PROOF = Structure("InviteProof", invite=Fixed(16), mac=Fixed(32))
CHAT_OPEN = Structure(
    "ChatOpen",
    name=Text(64),
    invite=Option(INVITE_PROOF),
    device=SIGNED_RECORD,
    sessions=List(Fixed(32), 8),
    extensions=EXTENSIONS,
)
ENVELOPE = Structure(
    "Envelope",
    session=Fixed(32),
    stage=Checked(U8, lambda stage: stage <= 1),
    message=Bytes(131584),
    extensions=EXTENSIONS,
)
UNDECRYPTABLE = Structure("Undecryptable", session=Fixed(32), extensions=EXTENSIONS)

INVITE = Structure(
    "Invite",
    version=U8,
    peer=PEER_ID,
    id=Fixed(16),
    secret=Fixed(32),
    expires_at=U64,
    name=Text(64),
    addresses=List(ADDRESS, 6),
    device=SIGNED_RECORD,
    extensions=EXTENSIONS,
)

# --- parcels -----------------------------------------------------------------------------------

PARCEL_MAX, PARCEL_MIN = 131072, 256
TEXT_MAX = 65536
TEXT = 1

FRONTIER = Structure(
    "Frontier",
    author=PEER_ID,
    incarnation=Fixed(16),
    held=U64,
    low_water=U64,
    read=U64,
    tip=Fixed(32),
)
HEAD = Structure("Head", author=PEER_ID, incarnation=Fixed(16), seq=U64, hash=Fixed(32))
CONTENT = Structure(
    "Content",
    sent_at=U64,
    expires_at=Option(U64),
    heads=List(HEAD, 4),
    kind=U16,
    body=Bytes(66560),
    extensions=EXTENSIONS,
)
ENTRY = Structure(
    "Entry",
    incarnation=Fixed(16),
    seq=U64,
    prev=Fixed(32),
    hash=Fixed(32),
    content=Option(CONTENT),
)
PARCEL = Structure(
    "Parcel",
    frontiers=List(FRONTIER, 16),
    entries=List(ENTRY, 64),
    extensions=EXTENSIONS,
    padding=Checked(Bytes(PARCEL_MAX), lambda zeros: not any(zeros)),
)


def padded_length(length: int) -> int:
    """P(n) of 40-messaging section 4.1."""
    least = max(length, PARCEL_MIN)
    e = least.bit_length() - 1
    step = 1 << e - e.bit_length()
    return min(-(-least // step) * step, PARCEL_MAX)


def seal_parcel(frontiers: list[dict], entries: list[dict]) -> bytes:
    parcel = {"frontiers": frontiers, "entries": entries, "extensions": [], "padding": b""}
    length = len(PARCEL.encode(parcel))
    if length > PARCEL_MAX:
        raise ValueError(f"a parcel of {length} bytes")
    parcel["padding"] = bytes(padded_length(length) - length)
    return PARCEL.encode(parcel)


def open_parcel(data: bytes) -> dict:
    if len(data) > PARCEL_MAX:
        raise Refused("over-limit", "body")
    parcel = decode_body(PARCEL, data)
    if len(data) != padded_length(len(data) - len(parcel["padding"])):
        raise Refused("invalid", "Parcel.padding")
    return parcel
