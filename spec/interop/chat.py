"""The chat of one connection: 40-messaging sections 1 to 3 and 7. Bytes in, frames out.

`Account` holds what outlives a connection: the device's keys, and with each peer the logs and the
sessions. `Chat` is one connection's part. Randomness and time come from the caller's functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import frames
import olm
from bodies import CHAT_OPEN, ENTRY, ENVELOPE, UNDECRYPTABLE, open_parcel, seal_parcel
from codes import LIMIT, UNEXPECTED, Violation
from encoding import Refused, decode_body
from identity import DEVICE, DEVICE_RECORD, Identity, make_record, open_record
from logs import Conversation, Log

SESSIONS = 8
NEW_SESSIONS = 8  # on one connection
PARCEL_ENTRIES, PARCEL_BYTES = 64, 100_000
WINDOW_ENTRIES, WINDOW_BYTES = 1024, 1_048_576


@dataclass
class Contact:
    """A peer this side wants to talk with."""

    conversation: Conversation
    proof: dict | None = None  # InviteProof, until the peer has accepted
    sessions: list[olm.Session] = field(default_factory=list)  # newest first


class Account:
    """One device: its identity, the keys of its Olm account, and its contacts."""

    def __init__(self, identity: Identity, name: str, random: Callable[[int], bytes], now):
        self.identity, self.name, self.random, self.now = identity, name, random, now
        self.identity_secret = random(32)
        self.fallback_secret = random(32)
        self.signing_key = Identity(random(32)).peer_id  # no use in version 1
        self.record_sequence = 0
        self.contacts: dict[bytes, Contact] = {}

    def contact(self, peer: bytes, proof: dict | None = None) -> Contact:
        contact = self.contacts.get(peer)
        if contact is None:
            me = self.identity.peer_id
            own = Log(me, self.random(16))
            contact = self.contacts[peer] = Contact(Conversation(me, peer, own))
        contact.proof = proof or contact.proof
        return contact

    def device_record(self) -> dict:
        payload = DEVICE_RECORD.encode(
            {
                "identity_key": olm.public(self.identity_secret),
                "signing_key": self.signing_key,
                "fallback_key": olm.public(self.fallback_secret),
                "extensions": [],
            }
        )
        now = self.now()
        self.record_sequence = max(now, self.record_sequence + 1)
        return make_record(self.identity, DEVICE, payload, self.record_sequence, now)


class Chat:
    """One connection's chat with one contact. `out` collects frames, `received` new entries."""

    def __init__(self, account: Account, contact: Contact):
        self.account, self.contact = account, contact
        self.talk = contact.conversation
        self.out: list[bytes] = []
        self.received: list[dict] = []
        self.opened = False  # CHAT_OPEN sent
        self.device: dict | None = None  # of the peer, from its CHAT_OPEN
        self.session: olm.Session | None = None  # the one to send with
        self.exchanging = False  # the peer's first frontiers came
        self.sent = 0  # of the own log, on this connection and session
        self.sent_with: set[bytes] = set()
        self.asked_for: set[bytes] = set()  # sessions this side could not decrypt
        self.answered: set[bytes] = set()  # sessions the peer could not decrypt
        self.made = 0  # sessions made by either side here
        self.search: tuple[int, int] | None = None  # last own entry that agrees, first that differs

    # --- opening -------------------------------------------------------------------------------

    def open(self) -> None:
        """The first frame of this side's chat stream."""
        self.opened = True
        body = {
            "name": self.account.name,
            "invite": self.contact.proof,
            "device": self.account.device_record(),
            "sessions": [session.id for session in self.contact.sessions],
            "extensions": [],
        }
        self.out.append(frames.frame(frames.CHAT_OPEN, CHAT_OPEN.encode(body)))

    def receive(self, kind: int, body: bytes) -> None:
        """A frame of the peer's chat stream. Raises `Refused` or `Violation`."""
        if kind == frames.CHAT_OPEN:
            self._receive_open(decode_body(CHAT_OPEN, body))
        elif not self.opened or self.device is None:
            raise Violation(UNEXPECTED, "before both sides have opened the chat")
        elif kind == frames.ENVELOPE:
            self._receive_envelope(decode_body(ENVELOPE, body))
        else:
            self._receive_undecryptable(decode_body(UNDECRYPTABLE, body)["session"])

    def _receive_open(self, body: dict) -> None:
        """Also that of a stream which replaces an earlier one: then everything begins again."""
        _, self.device = open_record(
            body["device"], DEVICE, DEVICE_RECORD, self.talk.peer, self.account.now()
        )
        self.contact.proof = None
        self.exchanging, self.session, self.search = False, None, None
        listed = set(body["sessions"])
        common = [session for session in self.contact.sessions if session.id in listed]
        if common:
            self._send_with(common[0])
        elif self.talk.me < self.talk.peer:
            self._make_session()

    # --- sessions ------------------------------------------------------------------------------

    def _make_session(self) -> None:
        self._count_session()
        random = self.account.random
        session = olm.Session.outbound(
            self.account.identity_secret,
            self.device["identity_key"],
            self.device["fallback_key"],
            random(32),
            random(32),
        )
        self._keep(session)
        self._send_with(session)

    def _keep(self, session: olm.Session) -> None:
        self.contact.sessions = [session, *self.contact.sessions][:SESSIONS]

    def _count_session(self) -> None:
        self.made += 1
        if self.made > NEW_SESSIONS:
            raise Violation(LIMIT, "too many new sessions")

    def _send_with(self, session: olm.Session) -> None:
        """Frontiers go first, and what is not acknowledged goes again."""
        self.session = session
        self._send(self.talk.frontiers(), [])
        self.sent = self.talk.own.acknowledged
        self.flush()

    def _send(self, frontiers: list[dict], entries: list[dict]) -> None:
        stage, message = self.session.encrypt(
            seal_parcel(frontiers, entries), self.account.random(32)
        )
        self.sent_with.add(self.session.id)
        envelope = {
            "session": self.session.id,
            "stage": stage,
            "message": message,
            "extensions": [],
        }
        self.out.append(frames.frame(frames.ENVELOPE, ENVELOPE.encode(envelope)))

    def _receive_envelope(self, envelope: dict) -> None:
        try:
            session, plaintext = self._decrypt(envelope)
        except Refused as refused:
            if refused.error != "undecryptable":
                raise
            self._ask_again(envelope["session"])
            return
        parcel = open_parcel(plaintext)
        self._check(parcel)
        if session is not self.session and session not in self.contact.sessions:
            self._count_session()
            self._keep(session)
            self._send_with(session)
        self._receive_parcel(parcel)

    def _decrypt(self, envelope: dict) -> tuple[olm.Session, bytes]:
        known = {session.id: session for session in self.contact.sessions}
        session = known.get(envelope["session"])
        if envelope["stage"] == olm.NORMAL:
            if session is None:
                raise Refused("undecryptable")
            return session, session.decrypt(olm.read_message(envelope["message"]))
        opening = olm.read_opening(envelope["message"])
        if opening.session != envelope["session"]:
            raise Refused("mismatch")
        if session is None:
            session = self._inbound(opening)
        return session, session.decrypt(opening.message)

    def _inbound(self, opening: olm.Opening) -> olm.Session:
        if opening.identity_key != self.device["identity_key"]:
            raise Refused("wrong-identity")
        if opening.fallback_key != olm.public(self.account.fallback_secret):
            raise Refused("undecryptable")
        return olm.Session.inbound(
            self.account.identity_secret, self.account.fallback_secret, opening
        )

    def _ask_again(self, session: bytes) -> None:
        if session in self.asked_for:
            return
        self.asked_for.add(session)
        if len(self.asked_for) > NEW_SESSIONS:
            raise Violation(LIMIT, "too many sessions that cannot be decrypted")
        body = UNDECRYPTABLE.encode({"session": session, "extensions": []})
        self.out.append(frames.frame(frames.UNDECRYPTABLE, body))

    def _receive_undecryptable(self, session: bytes) -> None:
        if session not in self.sent_with or session in self.answered:
            return
        self.answered.add(session)
        if self.session.id != session:
            self._send_with(self.session)
            return
        self.contact.sessions = [kept for kept in self.contact.sessions if kept.id != session]
        self._make_session()

    # --- parcels -------------------------------------------------------------------------------

    def _check(self, parcel: dict) -> None:
        """Before anything of the parcel is kept."""
        if parcel["entries"] and not self.sent_with:
            raise Violation(UNEXPECTED, "entries before this side has sent its frontiers")
        for frontier in parcel["frontiers"]:
            self.talk.check_frontier(frontier)
        for entry in parcel["entries"]:
            self.talk.check_entry(entry)

    def _receive_parcel(self, parcel: dict) -> None:
        if self.session is None:
            return
        answers = [self._receive_frontier(frontier) for frontier in parcel["frontiers"]]
        new, due = self.talk.commit(parcel["entries"])
        self.received += new
        answers += [log.frontier() for log in due]
        answers = [answer for answer in answers if answer is not None]
        if answers:
            self._send(answers[:16], [])
        if not self.exchanging:
            self.exchanging = True
            self.sent = self.talk.own.acknowledged
        self.flush()

    def _receive_frontier(self, frontier: dict) -> dict | None:
        """The frontier that answers it, if one is due."""
        held, tip = frontier["held"], frontier["tip"]
        if frontier["author"] == self.talk.peer:
            log = self.talk.theirs.get(frontier["incarnation"])
            mine = log.hash_at(held) if log and held else None
            if mine is not None and (log.held > held or mine != tip):
                return log.frontier(held)
            return None
        own = self.talk.own
        if frontier["incarnation"] != own.incarnation:
            for log in self.talk.former:
                if log.incarnation == frontier["incarnation"] and log.hash_at(held) == tip:
                    log.acknowledged = max(log.acknowledged, held)
            return None
        if own.hash_at(held) == tip and self.search is None:
            own.acknowledged = max(own.acknowledged, held)
            own.read_by_peer = max(own.read_by_peer, frontier["read"])
            return None
        return self._narrow(held, own.hash_at(held) == tip)

    def _narrow(self, held: int, agrees: bool) -> dict | None:
        """Section 5.1: finds where the peer's copy of the own log parts from it."""
        own = self.talk.own
        low, high = self.search or (own.acknowledged, own.held + 1)
        low, high = (max(low, held), high) if agrees else (low, min(high, held))
        self.search = low, high
        if high - low > 1:
            return own.frontier((low + high) // 2)
        self.search = None
        moved = own.entries[low:]
        own.entries, own.acknowledged, own.read = own.entries[:low], low, low
        self.talk.former.append(own)
        self.talk.own = Log(own.author, self.account.random(16))
        for entry in moved:
            self.talk.append(entry["content"])
        self._make_session()
        return None

    # --- sending -------------------------------------------------------------------------------

    def flush(self) -> None:
        """Sends the entries that the peer does not hold, as far as the window allows."""
        if not self.exchanging or self.session is None or self.search is not None:
            return
        own = self.talk.own
        self.sent = max(self.sent, own.acknowledged)
        waiting = own.entries[own.acknowledged : self.sent]
        pending, pending_bytes = len(waiting), sum(len(ENTRY.encode(entry)) for entry in waiting)
        batch, batch_bytes = [], 0
        for entry in own.entries[self.sent :]:
            size = len(ENTRY.encode(entry))
            if pending and (pending == WINDOW_ENTRIES or pending_bytes + size > WINDOW_BYTES):
                break
            if batch and (len(batch) == PARCEL_ENTRIES or batch_bytes + size > PARCEL_BYTES):
                self._send([], batch)
                batch, batch_bytes = [], 0
            batch.append(entry)
            pending, pending_bytes, batch_bytes = (
                pending + 1,
                pending_bytes + size,
                batch_bytes + size,
            )
            self.sent += 1
        if batch:
            self._send([], batch)

    def mark_read(self) -> None:
        """Everything received was shown to a person."""
        due = []
        for log in self.talk.theirs.values():
            if log.read < log.held:
                log.read = log.held
                due.append(log.frontier())
        if due and self.session is not None and self.exchanging:
            self._send(due[-16:], [])
