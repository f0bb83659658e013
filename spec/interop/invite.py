"""Invite links and the proof of holding one: 20-identity section 6."""

from __future__ import annotations

import base64
import re

from bodies import INVITE
from encoding import Refused, decode_body
from identity import derive, keyed

SCHEME = "dchat:"
LINK_MAX = 4096
CHECK = 4


def read_invite(link: str) -> dict:
    text = link.strip()
    if not text.startswith(SCHEME):
        raise Refused("not-a-link")
    data = _base64url(text[len(SCHEME) :])
    body, check = data[:-CHECK], data[-CHECK:]
    if len(data) <= CHECK or check != derive("invite checksum", body)[:CHECK]:
        raise Refused("damaged")
    if body[0] != 1:
        raise Refused("newer-version")
    return decode_body(INVITE, body)


def _base64url(text: str) -> bytes:
    if len(text) > LINK_MAX or not re.fullmatch("[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Refused("damaged")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise Refused("damaged")  # an unused bit is set
    return data


def invite_proof(secret: bytes, inviter: bytes, redeemer: bytes) -> bytes:
    return keyed(derive("invite proof", secret), inviter, redeemer)
