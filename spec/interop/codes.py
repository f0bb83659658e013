"""Close codes: registry section 3."""

from __future__ import annotations

from encoding import Refused

NAMES = {
    0x00: ("DONE", "done"),
    0x01: ("INTERNAL", "internal error"),
    0x02: ("MALFORMED", "malformed frame"),
    0x03: ("UNEXPECTED", "unexpected frame"),
    0x04: ("VERSION", "no common version"),
    0x05: ("UNSUPPORTED", "critical frame not supported"),
    0x06: ("DUPLICATE", "another connection was kept"),
    0x07: ("LIMIT", "limit exceeded"),
    0x08: ("TIMEOUT", "no HELLO in time"),
    0x09: ("REFUSED", "refused"),
    0x0A: ("MYSELF", "connected to itself"),
}
DONE, INTERNAL, MALFORMED, UNEXPECTED, VERSION = range(5)
UNSUPPORTED, DUPLICATE, LIMIT, TIMEOUT, REFUSED, MYSELF = range(5, 11)


class Violation(Exception):
    """The peer broke a rule; the connection is closed with `code`."""

    def __init__(self, code: int, what: str):
        super().__init__(f"{NAMES[code][0]}: {what}")
        self.code, self.what = code, what


def violation_of(refused: Refused) -> Violation:
    return Violation(UNSUPPORTED if refused.error == "unsupported" else MALFORMED, str(refused))
