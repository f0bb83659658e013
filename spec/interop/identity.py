"""Keys, PeerIds, signatures, records, certificates: 20-identity sections 1 to 4 and 7."""

from __future__ import annotations

import datetime

from blake3 import blake3
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

import edwards
from encoding import EXTENSIONS, U16, U64, Bytes, Checked, Fixed, Refused, Structure, decode_body

# --- digests -----------------------------------------------------------------------------------


def derive(context: str, *parts: bytes) -> bytes:
    return blake3(b"".join(parts), derive_key_context=f"dchat/1 2026-11 {context}").digest()


def keyed(key: bytes, *parts: bytes) -> bytes:
    return blake3(b"".join(parts), key=key).digest()


# --- PeerId ------------------------------------------------------------------------------------

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PEER_PREFIX = bytes.fromhex("002408011220")


def is_peer_id(key: bytes) -> bool:
    """Whether 32 bytes are a canonical Ed25519 key of more than small order."""
    point = edwards.decode(key)
    return point is not None and edwards.encode(point) == key and not edwards.small_order(point)


PEER_ID = Checked(Fixed(32), is_peer_id)


def peer_text(key: bytes) -> str:
    data = PEER_PREFIX + key
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def peer_from_text(text: str) -> bytes:
    if len(text) != 52 or any(letter not in _ALPHABET for letter in text):
        raise Refused("not-a-peer-id")
    number = 0
    for letter in text:
        number = number * 58 + _ALPHABET.index(letter)
    data = number.to_bytes(38, "big") if number.bit_length() <= 304 else b""
    key = data[6:]
    # The one comparison also refuses a wrong prefix and a wrong number of leading zeros.
    if not key or peer_text(key) != text:
        raise Refused("not-a-peer-id")
    if not is_peer_id(key):
        raise Refused("not-a-key")
    return key


# --- signatures --------------------------------------------------------------------------------

RECORD_CONTEXT = "dchat/1 record"


def signed_bytes(context: str, message: bytes) -> bytes:
    name = context.encode("ascii")
    return bytes([len(name)]) + name + U64.encode(len(message)) + message


def verify(signer: bytes, context: str, message: bytes, signature: bytes) -> None:
    """Strict, without the cofactor. Raises `Refused`."""
    if not is_peer_id(signer):
        raise Refused("not-a-key")
    r = edwards.decode(signature[:32])
    if r is None or edwards.encode(r) != signature[:32] or edwards.small_order(r):
        raise Refused("bad-signature")
    if int.from_bytes(signature[32:], "little") >= edwards.ORDER:
        raise Refused("bad-signature")
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, signed_bytes(context, message))
    except InvalidSignature:
        raise Refused("bad-signature") from None


class Identity:
    """An Ed25519 key pair, from a seed of 32 random bytes."""

    def __init__(self, seed: bytes):
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.peer_id = self._key.public_key().public_bytes_raw()

    @property
    def text(self) -> str:
        return peer_text(self.peer_id)

    def sign(self, context: str, message: bytes) -> bytes:
        return self._key.sign(signed_bytes(context, message))

    def certificate(self) -> tuple[x509.Certificate, Ed25519PrivateKey]:
        """One self-signed certificate, of which only the key means anything, and its key."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dchat")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(datetime.datetime(1975, 1, 1))
            .not_valid_after(datetime.datetime(4096, 1, 1))
            .sign(self._key, None)
        )
        return certificate, self._key


# --- records -----------------------------------------------------------------------------------

SIGNED_RECORD = Structure("SignedRecord", body=Bytes(4352), signature=Fixed(64))
RECORD_BODY = Structure(
    "RecordBody",
    signer=PEER_ID,
    kind=U16,
    sequence=U64,
    issued_at=U64,
    expires_at=U64,
    payload=Bytes(4096),
    extensions=EXTENSIONS,
)
DEVICE_RECORD = Structure(
    "DeviceRecord",
    identity_key=Fixed(32),
    signing_key=Fixed(32),
    fallback_key=Fixed(32),
    extensions=EXTENSIONS,
)
DEVICE = 2
LIFE_MAX = {1: 86_400_000, DEVICE: 2_592_000_000}
CLOCK_AHEAD = 600_000


def make_record(identity: Identity, kind: int, payload: bytes, sequence: int, now: int) -> dict:
    """A record that lives as long as its kind allows. `now` in milliseconds."""
    body = RECORD_BODY.encode(
        {
            "signer": identity.peer_id,
            "kind": kind,
            "sequence": sequence,
            "issued_at": now,
            "expires_at": now + LIFE_MAX[kind],
            "payload": payload,
            "extensions": [],
        }
    )
    return {"body": body, "signature": identity.sign(RECORD_CONTEXT, body)}


def open_record(record: dict, kind: int, payload_type: Structure, signer: bytes, now: int):
    """(record body, payload) of a record that is believed, by the table of section 4."""
    body = decode_body(RECORD_BODY, record["body"])
    if body["kind"] != kind:
        raise Refused("wrong-kind")
    if body["signer"] != signer:
        raise Refused("wrong-signer")
    if not 1 <= body["expires_at"] - body["issued_at"] <= LIFE_MAX[kind]:
        raise Refused("bad-times")
    if body["issued_at"] > now + CLOCK_AHEAD:
        raise Refused("bad-times")
    if body["expires_at"] <= now:
        raise Refused("expired")
    payload = decode_body(payload_type, body["payload"])
    verify(signer, RECORD_CONTEXT, record["body"], record["signature"])
    return body, payload


# --- certificates ------------------------------------------------------------------------------

KEY_INFO_PREFIX = bytes.fromhex("302a300506032b6570032100")
SEQUENCE, INTEGER, BIT_STRING, VERSION = 0x30, 0x02, 0x03, 0xA0


def certificate_key(chain: list[bytes]) -> bytes:
    """The PeerId that a chain of exactly one DER certificate stands for."""
    if len(chain) != 1:
        raise Refused("certificate-count")
    certificate, rest = _element(chain[0], SEQUENCE)
    if rest:
        raise Refused("not-a-certificate")
    signed, rest = _element(certificate, SEQUENCE)
    _, rest = _element(rest, SEQUENCE)
    _, rest = _element(rest, BIT_STRING)
    if rest:
        raise Refused("not-a-certificate")
    version, rest = _element(signed, VERSION)
    if version != bytes([INTEGER, 1, 2]):
        raise Refused("not-a-certificate")
    for expected in (INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE):
        _, rest = _element(rest, expected)
    _, after = _element(rest, SEQUENCE)
    key_info = rest[: len(rest) - len(after)]
    if len(key_info) != 44 or not key_info.startswith(KEY_INFO_PREFIX):
        raise Refused("not-ed25519")
    key = key_info[len(KEY_INFO_PREFIX) :]
    if not is_peer_id(key):
        raise Refused("not-a-key")
    return key


def _element(data: bytes, expected: int) -> tuple[bytes, bytes]:
    """The content of the DER element at the front, and what follows it."""
    if len(data) < 2 or data[0] != expected:
        raise Refused("not-a-certificate")
    length, at = data[1], 2
    if length >= 0x80:
        octets = length & 0x7F
        at += octets
        if not 1 <= octets <= 4 or len(data) < at:
            raise Refused("not-a-certificate")
        length = int.from_bytes(data[2:at], "big")
        if length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise Refused("not-a-certificate")
    if len(data) < at + length:
        raise Refused("not-a-certificate")
    return data[at : at + length], data[at + length :]
