"""Olm sessions as 40-messaging section 3 defines them, from that section alone.

A session is changed only by what succeeds: a message that is refused leaves it as it was.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from encoding import Refused

OPENING, NORMAL = 0, 1  # the stages of an ENVELOPE
VERSION = 3
MAC = 8
SKIPPED_KEYS, RECEIVING_CHAINS, SKIP_AT_ONCE = 40, 5, 2000

# --- primitives --------------------------------------------------------------------------------


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def dh(secret: bytes, key: bytes) -> bytes:
    """X25519. The library refuses a result of all zeros, as this does."""
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(
            X25519PublicKey.from_public_bytes(key)
        )
    except ValueError:
        raise Refused("not-a-key") from None


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    key, output, block = mac(salt, ikm), b"", b""
    while len(output) < length:
        block = mac(key, block + info + bytes([len(output) // 32 + 1]))
        output += block
    return output[:length]


def shared_keys(shared: bytes) -> tuple[bytes, bytes]:
    """Root key and first chain key."""
    keys = hkdf(b"\0", shared, b"OLM_ROOT", 64)
    return keys[:32], keys[32:]


def reply_keys(root: bytes, secret: bytes, key: bytes) -> tuple[bytes, bytes]:
    """The next root key, and the key of the chain that begins with it."""
    keys = hkdf(root, dh(secret, key), b"OLM_RATCHET", 64)
    return keys[:32], keys[32:]


def message_key(chain: bytes) -> bytes:
    return mac(chain, b"\1")


def next_chain(chain: bytes) -> bytes:
    return mac(chain, b"\2")


def session_id(identity: bytes, base: bytes, fallback: bytes) -> bytes:
    return hashlib.sha256(identity + base + fallback).digest()


def _cipher(key: bytes) -> tuple[bytes, Cipher]:
    """The MAC key, and AES-256-CBC, of a message key."""
    keys = hkdf(b"\0", key, b"OLM_KEYS", 80)
    return keys[32:64], Cipher(algorithms.AES(keys[:32]), modes.CBC(keys[64:]))


# --- messages ----------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


class _Fields:
    """Reads the fields of a message, in their one order."""

    def __init__(self, data: bytes):
        if not data or data[0] != VERSION:
            raise Refused("bad-olm-message")
        self.data, self.at = data, 1

    def varint(self, tag: int) -> int:
        self._tag(tag)
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 63:
                raise Refused("bad-olm-message")
        return value

    def bytes(self, tag: int) -> bytes:
        return self._take(self.varint(tag))

    def key(self, tag: int) -> bytes:
        key = self.bytes(tag)
        if len(key) != 32:
            raise Refused("bad-olm-message")
        return key

    def _tag(self, tag: int):
        if self._take(1)[0] != tag:
            raise Refused("bad-olm-message")

    def _take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Refused("bad-olm-message")
        self.at += count
        return self.data[self.at - count : self.at]

    def end(self):
        if self.at != len(self.data):
            raise Refused("bad-olm-message")


@dataclass
class Message:
    ratchet_key: bytes
    index: int
    ciphertext: bytes
    mac: bytes
    covered: bytes  # what the MAC is over


@dataclass
class Opening:
    fallback_key: bytes
    base_key: bytes
    identity_key: bytes
    message: Message

    @property
    def session(self) -> bytes:
        return session_id(self.identity_key, self.base_key, self.fallback_key)


def read_message(data: bytes) -> Message:
    if len(data) < MAC:
        raise Refused("bad-olm-message")
    covered = data[:-MAC]
    fields = _Fields(covered)
    message = Message(
        fields.key(0x0A), fields.varint(0x10), fields.bytes(0x22), data[-MAC:], covered
    )
    fields.end()
    return message


def read_opening(data: bytes) -> Opening:
    fields = _Fields(data)
    opening = Opening(
        fields.key(0x0A), fields.key(0x12), fields.key(0x1A), read_message(fields.bytes(0x22))
    )
    fields.end()
    return opening


# --- sessions ----------------------------------------------------------------------------------


@dataclass
class Chain:
    """A chain of the peer: its ratchet key, and the message key of which index comes next."""

    ratchet_key: bytes
    key: bytes
    index: int = 0
    skipped: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Session:
    """One Double Ratchet. `opening` is the head of stage 0, until the peer has answered."""

    id: bytes
    root: bytes
    ratchet_secret: bytes | None  # None: a new one belongs to the next message that is sent
    sending: bytes | None
    index: int = 0
    receiving: list[Chain] = field(default_factory=list)  # newest first
    opening: bytes | None = None

    @classmethod
    def outbound(cls, identity_secret, identity_key, fallback_key, base_secret, ratchet_secret):
        """The session that side A makes from the device keys of side B."""
        shared = dh(identity_secret, fallback_key)
        shared += dh(base_secret, identity_key) + dh(base_secret, fallback_key)
        root, chain = shared_keys(shared)
        own, base = public(identity_secret), public(base_secret)
        opening = bytes([VERSION])
        for tag, key in ((0x0A, fallback_key), (0x12, base), (0x1A, own)):
            opening += bytes([tag, 32]) + key
        return cls(
            session_id(own, base, fallback_key), root, ratchet_secret, chain, opening=opening
        )

    @classmethod
    def inbound(cls, identity_secret: bytes, fallback_secret: bytes, opening: Opening):
        """The session that side B makes from the first message of side A."""
        shared = dh(fallback_secret, opening.identity_key)
        shared += dh(identity_secret, opening.base_key) + dh(fallback_secret, opening.base_key)
        root, chain = shared_keys(shared)
        first = Chain(opening.message.ratchet_key, chain)
        return cls(opening.session, root, None, None, receiving=[first])

    def encrypt(self, plaintext: bytes, fresh_secret: bytes) -> tuple[int, bytes]:
        """(stage, message). `fresh_secret` is the ratchet key of a chain that begins here."""
        if self.ratchet_secret is None:
            self.ratchet_secret = fresh_secret
            self.root, self.sending = reply_keys(
                self.root, fresh_secret, self.receiving[0].ratchet_key
            )
            self.index = 0
        mac_key, cipher = _cipher(message_key(self.sending))
        pad = padding.PKCS7(128).padder()
        encryptor = cipher.encryptor()
        ciphertext = encryptor.update(pad.update(plaintext) + pad.finalize())
        message = bytes([VERSION, 0x0A, 32]) + public(self.ratchet_secret)
        message += b"\x10" + _varint(self.index) + b"\x22" + _varint(len(ciphertext)) + ciphertext
        message += mac(mac_key, message)[:MAC]
        self.sending, self.index = next_chain(self.sending), self.index + 1
        if self.opening is None:
            return NORMAL, message
        return OPENING, self.opening + b"\x22" + _varint(len(message)) + message

    def decrypt(self, message: Message) -> bytes:
        """The plaintext. `Refused` leaves the session as it was."""
        trial = copy.deepcopy(self)
        plaintext = trial._decrypt(message)
        self.__dict__ = trial.__dict__
        return plaintext

    def _decrypt(self, message: Message) -> bytes:
        plaintext = _open(self._key_of(message), message)
        self.opening = None
        return plaintext

    def _key_of(self, message: Message) -> bytes:
        for chain in self.receiving:
            if chain.ratchet_key == message.ratchet_key:
                return _advance(chain, message.index)
        if self.ratchet_secret is None:
            # The peer's newest chain was not answered yet, so the peer cannot begin another.
            raise Refused("undecryptable")
        self.root, key = reply_keys(self.root, self.ratchet_secret, message.ratchet_key)
        self.ratchet_secret = self.sending = None
        chain = Chain(message.ratchet_key, key)
        self.receiving = [chain, *self.receiving][:RECEIVING_CHAINS]
        return _advance(chain, message.index)


def _advance(chain: Chain, index: int) -> bytes:
    """The message key `index`, which is used up by this."""
    if index < chain.index:
        key = chain.skipped.pop(index, None)
        if key is None:
            raise Refused("undecryptable")
        return key
    if index - chain.index > SKIP_AT_ONCE:
        raise Refused("undecryptable")
    while chain.index <= index:
        key = message_key(chain.key)
        chain.skipped[chain.index] = key
        chain.key, chain.index = next_chain(chain.key), chain.index + 1
    del chain.skipped[index]
    while len(chain.skipped) > SKIPPED_KEYS:
        del chain.skipped[min(chain.skipped)]
    return key


def _open(key: bytes, message: Message) -> bytes:
    mac_key, cipher = _cipher(key)
    if not hmac.compare_digest(mac(mac_key, message.covered)[:MAC], message.mac):
        raise Refused("undecryptable")
    decryptor, unpad = cipher.decryptor(), padding.PKCS7(128).unpadder()
    try:
        padded = decryptor.update(message.ciphertext) + decryptor.finalize()
        return unpad.update(padded) + unpad.finalize()
    except ValueError:
        raise Refused("undecryptable") from None
