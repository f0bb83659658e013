"""Logs, hashes, frontiers: 40-messaging sections 5 to 7. Everything is kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from bodies import CONTENT, TEXT, TEXT_MAX
from codes import MALFORMED, Violation
from encoding import U64
from identity import derive

NO_HASH = bytes(32)
LOGS = 64  # incarnations of one peer that are kept; the document names no bound


def pair(one: bytes, other: bytes) -> bytes:
    return derive("pair conversation", min(one, other), max(one, other))


def entry_hash(conversation, author, incarnation, seq, prev, content: bytes) -> bytes:
    place = conversation, author, incarnation, U64.encode(seq)
    return derive("entry hash", *place, prev, content)


def entry_id(conversation, author, incarnation, seq) -> bytes:
    return derive("entry id", conversation, author, incarnation, U64.encode(seq))[:16]


@dataclass
class Log:
    """One log as far as it is held. `low_water` stays 1: nothing expires here."""

    author: bytes
    incarnation: bytes
    entries: list[dict] = field(default_factory=list)
    read: int = 0
    acknowledged: int = 0  # of an own log: what the peer holds
    read_by_peer: int = 0

    @property
    def held(self) -> int:
        return len(self.entries)

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of an entry, zeros for 0, None for one that is not held."""
        if seq == 0:
            return NO_HASH
        return self.entries[seq - 1]["hash"] if seq <= self.held else None

    def frontier(self, held: int | None = None) -> dict:
        held = self.held if held is None else held
        return {
            "author": self.author,
            "incarnation": self.incarnation,
            "held": held,
            "low_water": 1,
            "read": min(self.read, held),
            "tip": self.hash_at(held),
        }


@dataclass
class Conversation:
    """What outlives a connection: the logs of both authors, and how much of ours the peer holds."""

    me: bytes
    peer: bytes
    own: Log
    former: list[Log] = field(default_factory=list)
    theirs: dict[bytes, Log] = field(default_factory=dict)
    forks: int = 0

    @property
    def id(self) -> bytes:
        return pair(self.me, self.peer)

    def append(self, content: dict) -> dict:
        """A new entry of the own log. The author has read what it wrote."""
        log = self.own
        seq, prev = log.held + 1, log.hash_at(log.held)
        entry = {
            "incarnation": log.incarnation,
            "seq": seq,
            "prev": prev,
            "hash": entry_hash(
                self.id, self.me, log.incarnation, seq, prev, CONTENT.encode(content)
            ),
            "content": content,
        }
        log.entries.append(entry)
        log.read = log.held
        return entry

    def text(self, text: str, now: int) -> dict:
        newest = [log for log in self.theirs.values() if log.held][-4:]
        heads = [
            {
                "author": log.author,
                "incarnation": log.incarnation,
                "seq": log.held,
                "hash": log.hash_at(log.held),
            }
            for log in newest
        ]
        return self.append(
            {
                "sent_at": now,
                "expires_at": None,
                "heads": heads,
                "kind": TEXT,
                "body": text.encode(),
                "extensions": [],
            }
        )

    def frontiers(self) -> list[dict]:
        """Of every log of which anything is held, current ones first, at most 16."""
        logs = [self.own, *reversed(self.theirs.values()), *reversed(self.former)]
        return [log.frontier() for log in logs if log.held][:16]

    def check_frontier(self, frontier: dict) -> None:
        if frontier["author"] not in (self.me, self.peer):
            raise Violation(MALFORMED, "a frontier of somebody else")
        if frontier["read"] > frontier["held"]:
            raise Violation(MALFORMED, "more read than held")
        if (frontier["tip"] == NO_HASH) != (frontier["held"] == 0):
            raise Violation(MALFORMED, "a tip without entries, or entries without a tip")

    def check_entry(self, entry: dict) -> None:
        """What can be said of an entry without the log it belongs to."""
        if entry["seq"] == 0:
            raise Violation(MALFORMED, "an entry 0")
        content = entry["content"]
        if content is None:
            return
        place = self.id, self.peer, entry["incarnation"], entry["seq"]
        if entry_hash(*place, entry["prev"], CONTENT.encode(content)) != entry["hash"]:
            raise Violation(MALFORMED, "an entry with the wrong hash")
        if content["kind"] == TEXT:
            if len(content["body"]) > TEXT_MAX:
                raise Violation(MALFORMED, "a text that is too long")
            try:
                content["body"].decode()
            except UnicodeDecodeError:
                raise Violation(MALFORMED, "a text that is not UTF-8") from None

    def commit(self, entries: list[dict]) -> tuple[list[dict], list[Log]]:
        """By the table of section 7: the new entries, and the logs whose frontier is due."""
        new, due = [], []
        for entry in entries:
            log = self.theirs.get(entry["incarnation"])
            if log is None:
                if len(self.theirs) == LOGS:
                    break
                log = Log(self.peer, entry["incarnation"])
                self.theirs[log.incarnation] = log
            if log not in due:
                due.append(log)
            seq = entry["seq"]
            if seq <= log.held:
                if log.hash_at(seq) == entry["hash"]:
                    continue
                self.forks += 1
                break
            if seq > log.held + 1:
                break
            if entry["prev"] != log.hash_at(log.held):
                self.forks += 1
                break
            log.entries.append(entry)
            new.append(entry)
        return new, due
