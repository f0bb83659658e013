#!/usr/bin/env python3
"""Runs the cases of ../vectors that belong to what this peer speaks.

    python test_vectors.py [FOLDER]

What it does not speak (rooms, relays, the DHT, …) is counted and not run. Exit code 0 when every
case that was run gives the result, the error, the field and the output that the vectors say.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from pathlib import Path

import bodies
import encoding
import frames
import identity
import olm
import probes
from address import ADDRESS, Address, address_from_text
from codes import NAMES as CLOSE_NAMES
from connection import common_version
from encoding import Refused
from invite import invite_proof, read_invite
from logs import entry_hash, entry_id, pair

TYPES = {
    kind.name: kind
    for kind in (*vars(bodies).values(), identity.DEVICE_RECORD, identity.RECORD_BODY)
    if isinstance(kind, encoding.Structure)
}
BODIES = {
    frames.HELLO: bodies.HELLO,
    frames.IDENTIFY: bodies.IDENTIFY,
    frames.IDENTIFY_PUSH: bodies.IDENTIFY,
    frames.PING: bodies.PING,
    frames.PONG: bodies.PING,
    frames.CHAT_OPEN: bodies.CHAT_OPEN,
    frames.ENVELOPE: bodies.ENVELOPE,
    frames.UNDECRYPTABLE: bodies.UNDECRYPTABLE,
    frames.RELAY_REFUSED: bodies.RELAY_REFUSED,
}
VECTORS = Path(__file__).parent.parent / "vectors"
CONTEXT_PREFIX = "dchat/1 2026-11 "


class NotSpoken(Exception):
    """A case about something this peer does not do."""


# --- values as the vectors write them ----------------------------------------------------------


def raw(pieces) -> bytes:
    if isinstance(pieces, str):
        return bytes.fromhex(pieces)
    return b"".join(
        (
            bytes.fromhex(piece)
            if isinstance(piece, str)
            else bytes.fromhex(piece["repeat"]) * piece["times"]
        )
        for piece in pieces
    )


def written(kind, value):
    """`value` of the type `kind` as `expected` writes it."""
    if value is None:
        return None
    if isinstance(kind, encoding.Structure):
        return {name: written(field, value[name]) for name, field in kind.fields.items()}
    if isinstance(kind, encoding.List):
        return [written(kind.item, item) for item in value]
    if isinstance(kind, encoding.Option):
        return written(kind.inner, value)
    if isinstance(kind, encoding.Checked):
        return written(kind.made_of, value)
    if kind is encoding.U64:
        return str(value)
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return value.hex() if isinstance(value, bytes) else value


def same(expected, actual) -> bool:
    """Whether they are equal, where `expected` may write bytes in pieces."""
    if isinstance(actual, dict):
        return (
            isinstance(expected, dict)
            and expected.keys() == actual.keys()
            and all(same(expected[name], actual[name]) for name in actual)
        )
    if isinstance(actual, str) and isinstance(expected, list):
        return raw(expected).hex() == actual
    if isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return expected == actual


# --- operations --------------------------------------------------------------------------------


def spoken(types: dict, name):
    if name not in types:
        raise NotSpoken
    return types[name]


def decode(case):
    kind = spoken(TYPES, case["type"])
    data = raw(case["bytes"])
    value = encoding.decode_body(kind, data)
    if kind.encode(value) != data:
        raise AssertionError("what decodes does not encode to the same bytes")
    return written(kind, value)


def frame(case):
    ((kind, body),) = read_stream(raw(case["bytes"]))
    structure = spoken(BODIES, kind)
    value = encoding.decode_body(structure, body)
    return {"frame": frames.TYPES[kind][0], "body": written(structure, value)}


def stream(case):
    data, found = raw(case["bytes"]), []
    try:
        read_stream(data, found)
    except Refused as refused:
        refused.output = {"frames": named(found)}
        raise
    finally:
        check_bytewise(data, found)
    return {"frames": named(found)}


def read_stream(data: bytes, found: list | None = None, step: int | None = None) -> list:
    """The (type, body) of a stream that ends; those before an error are in `found`."""
    reader, found, step = frames.FrameReader(), [] if found is None else found, step or len(data)
    for at in range(0, len(data), step or 1):
        for kind, body in reader.feed(data[at : at + step]):
            if kind in BODIES:
                encoding.decode_body(BODIES[kind], body)
            found.append((kind, body))
    reader.end()
    return found


def check_bytewise(data: bytes, found: list) -> None:
    again = []
    try:
        read_stream(data, again, step=1)
    except Refused:
        pass
    if again != found:
        raise AssertionError("the frames depend on how the stream is split")


def named(found: list) -> list:
    return [{"frame": frames.TYPES[kind][0], "body": body.hex()} for kind, body in found]


def record(case):
    signed = encoding.decode_body(identity.SIGNED_RECORD, raw(case["bytes"]))
    kind = spoken({"DeviceRecord": identity.DEVICE}, case["type"])
    body, payload = identity.open_record(
        signed, kind, identity.DEVICE_RECORD, raw(case["signer"]), int(case["now"])
    )
    shown = {name: str(body[name]) for name in ("sequence", "issued_at", "expires_at")}
    return shown | {"payload": written(identity.DEVICE_RECORD, payload)}


def peer_id_bytes(case):
    key = raw(case["key"])
    if not identity.is_peer_id(key):
        raise Refused("not-a-key")
    return {"text": identity.peer_text(key)}


def address_bytes(case):
    data = raw(case["bytes"])
    field = encoding.Reader(encoding.U64.encode(len(data)) + data)
    return {"text": str(ADDRESS.decode(field))}


def address_text(case):
    address = address_from_text(case["text"])
    return {"text": str(address), "bytes": address.to_bytes().hex()}


def signature(case):
    identity.verify(
        raw(case["signer"]), case["context"], raw(case["message"]), raw(case["signature"])
    )
    return {}


def derive(case):
    context = case["context"].removeprefix(CONTEXT_PREFIX)
    return {"digest": identity.derive(context, *map(raw, case["parts"])).hex()}


def log_place(case):
    return (
        raw(case["conversation"]),
        raw(case["author"]),
        raw(case["incarnation"]),
        int(case["seq"]),
    )


def hash_of_entry(case):
    content = raw(case["content"])
    encoding.decode_body(bodies.CONTENT, content)
    return {"hash": entry_hash(*log_place(case), raw(case["prev"]), content).hex()}


def probe(case):
    keys = probes.ProbeKeys(raw(case["exported"]))
    kind, transaction, seen = probes.read_probe(
        getattr(keys, case["sender"]), raw(case["datagram"])
    )
    if seen is not None:
        ip = ipaddress.IPv6Address(seen[0])
        host = str(ip.ipv4_mapped) if ip.ipv4_mapped else f"[{ip}]"
        seen = f"{host}:{seen[1]}"
    return {
        "kind": "ask" if kind == probes.ASK else "answer",
        "transaction": transaction.hex(),
        "observed": seen,
    }


def padded_length(case):
    if case["length"] > bodies.PARCEL_MAX:
        raise Refused("over-limit")
    return {"padded": bodies.padded_length(case["length"])}


def close_code(case):
    if int(case["value"]) not in CLOSE_NAMES:
        raise Refused("unknown-code")
    name, text = CLOSE_NAMES[int(case["value"])]
    return {"name": name, "text": text}


def reserved(case):
    if not encoding.is_reserved(case["code"]):
        raise Refused("not-reserved")
    return {}


def olm_keys(case):
    secret = {name: raw(case[name]) for name in case if name != "claimed"}
    own, base = olm.public(secret["identity_secret"]), olm.public(secret["base_secret"])
    shared = olm.dh(secret["identity_secret"], secret["their_fallback"])
    shared += olm.dh(secret["base_secret"], secret["their_identity"])
    shared += olm.dh(secret["base_secret"], secret["their_fallback"])
    root, chain = olm.shared_keys(shared)
    key = olm.message_key(chain)
    reply = olm.reply_keys(root, secret["ratchet_secret"], secret["their_ratchet"])
    values = {
        "shared": shared,
        "root": root,
        "chain": chain,
        "message_key_0": key,
        "message_key_1": olm.message_key(olm.next_chain(chain)),
        "cipher_keys_0": olm.hkdf(b"\0", key, b"OLM_KEYS", 80),
        "reply_root": reply[0],
        "reply_chain": reply[1],
        "session": olm.session_id(own, base, secret["their_fallback"]),
    }
    return {name: value.hex() for name, value in values.items()}


def olm_message(case):
    def shown(message):
        return {
            "ratchet_key": message.ratchet_key.hex(),
            "index": str(message.index),
            "ciphertext": message.ciphertext.hex(),
            "mac": message.mac.hex(),
        }

    data = raw(case["bytes"])
    if case["stage"] == olm.NORMAL:
        return shown(olm.read_message(data))
    opening = olm.read_opening(data)
    covered = opening.message.covered + opening.message.mac
    return {
        "fallback_key": opening.fallback_key.hex(),
        "base_key": opening.base_key.hex(),
        "identity_key": opening.identity_key.hex(),
        "message": covered.hex(),
    }


def olm_decrypt(case):
    session, plaintexts = None, []
    for data in map(raw, case["messages"]):
        opening = olm.read_opening(data)
        if opening.identity_key != raw(case["sender_identity"]):
            raise Refused("wrong-identity")
        if opening.session != raw(case["session"]):
            raise Refused("mismatch")
        session = session or olm.Session.inbound(
            raw(case["identity_secret"]), raw(case["fallback_secret"]), opening
        )
        plaintexts.append(session.decrypt(opening.message).hex())
    return {"plaintexts": plaintexts}


OPERATIONS = {
    "decode": decode,
    "frame": frame,
    "stream": stream,
    "record": record,
    "peer-id-bytes": peer_id_bytes,
    "peer-id-text": lambda case: {"key": identity.peer_from_text(case["text"]).hex()},
    "address-bytes": address_bytes,
    "address-text": address_text,
    "invite": lambda case: written(bodies.INVITE, read_invite(case["link"])),
    "signed-bytes": lambda case: {
        "bytes": identity.signed_bytes(case["context"], raw(case["message"])).hex()
    },
    "signature": signature,
    "certificate": lambda case: {"key": identity.certificate_key([*map(raw, case["chain"])]).hex()},
    "derive": derive,
    "pair": lambda case: {"conversation": pair(raw(case["one"]), raw(case["other"])).hex()},
    "entry-id": lambda case: {"id": entry_id(*log_place(case)).hex()},
    "entry-hash": hash_of_entry,
    "invite-proof": lambda case: {
        "mac": invite_proof(raw(case["secret"]), raw(case["inviter"]), raw(case["redeemer"])).hex()
    },
    "invite-check": lambda case: {
        "check": identity.derive("invite checksum", raw(case["body"]))[:4].hex()
    },
    "probe": probe,
    "padded-length": padded_length,
    "parcel": lambda case: written(bodies.PARCEL, bodies.open_parcel(raw(case["bytes"]))),
    "common-version": lambda case: {"version": common_version(case["one"], case["other"])},
    "close-code": close_code,
    "reserved": reserved,
    "olm-keys": olm_keys,
    "olm-message": olm_message,
    "olm-decrypt": olm_decrypt,
}


def answer(operation: str, given: dict) -> dict:
    """What comes of `given`; raises `Refused`, or `NotSpoken` for what is not known here."""
    output = spoken(OPERATIONS, operation)(given)
    if "claimed" in given and given["claimed"] not in output.values():
        raise Refused("mismatch")
    return output


def check(case) -> str | None:
    """What is wrong with this case, or None."""
    try:
        output = answer(case["op"], case["input"])
    except Refused as refused:
        if case["result"] == "valid":
            return f"refused: {refused}"
        if refused.error != case["error"]:
            return f"{refused.error} where {case['error']} belongs"
        if case.get("field") not in (None, refused.field):
            return f"in {refused.field} where {case['field']} belongs"
        if "expected" in case and not same(case["expected"], getattr(refused, "output", None)):
            return "other frames before the error"
        return None
    if case["result"] == "invalid":
        return f"accepted where {case['error']} belongs"
    if not same(case.get("expected", {}), output):
        return f"{output} where {case.get('expected')} belongs"
    return None


def main(folder: Path = VECTORS) -> int:
    """0 when every case that is run passes, 1 otherwise."""
    passed = failed = apart = 0
    for file in sorted(folder.glob("*.json")):
        for case in json.loads(file.read_text()).get("cases", []):
            try:
                wrong = check(case)
            except NotSpoken:
                apart += 1
                continue
            except AssertionError as error:
                wrong = str(error)
            if wrong is None:
                passed += 1
            else:
                failed += 1
                print(f"FAIL {case['id']}: {wrong}")
    print(f"{passed} passed, {failed} failed, {apart} about what this peer does not speak")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
