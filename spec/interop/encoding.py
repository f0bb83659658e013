"""Field types and bodies: 10-encoding sections 2, 5 and 7.

A type is an object with `least`, `decode(reader)` and `encode(value)`. Values are plain Python:
int, bytes, str, list, None, and a dict for a structure. Decoding is strict: it accepts exactly what
encoding produces, looks at every count before it allocates, and raises `Refused` otherwise.
"""

from __future__ import annotations

BODY_MAX = 163840
CRITICAL_EXTENSION = 0x8000


class Refused(Exception):
    """Input that is not accepted: the name of the error and, where known, `Structure.field`."""

    def __init__(self, error: str, field: str | None = None):
        super().__init__(f"{error} in {field}" if field else error)
        self.error, self.field = error, field


class Reader:
    """Bytes that are consumed from the front."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Refused("unexpected-end")
        self.at += count
        return self.data[self.at - count : self.at]


class Int:
    """An unsigned integer, least significant byte first."""

    def __init__(self, least: int):
        self.least = least

    def decode(self, reader: Reader) -> int:
        return int.from_bytes(reader.take(self.least), "little")

    def encode(self, value: int) -> bytes:
        return value.to_bytes(self.least, "little")


U8, U16, U32, U64 = Int(1), Int(2), Int(4), Int(8)


class Fixed:
    """Exactly `least` bytes."""

    def __init__(self, least: int):
        self.least = least

    def decode(self, reader: Reader) -> bytes:
        return reader.take(self.least)

    def encode(self, value: bytes) -> bytes:
        if len(value) != self.least:
            raise ValueError(f"{len(value)} bytes where {self.least} belong")
        return bytes(value)


class Option:
    """One byte 0, or 1 and a value."""

    least = 1

    def __init__(self, inner):
        self.inner = inner

    def decode(self, reader: Reader):
        tag = reader.take(1)[0]
        if tag > 1:
            raise Refused("not-boolean")
        return self.inner.decode(reader) if tag else None

    def encode(self, value) -> bytes:
        return b"\0" if value is None else b"\1" + self.inner.encode(value)


def _count(reader: Reader, most: int, least: int) -> int:
    count = U64.decode(reader)
    if count > most:
        raise Refused("over-limit")
    if count * least > reader.left:
        raise Refused("unexpected-end")
    return count


class Bytes:
    least = 8

    def __init__(self, most: int):
        self.most = most

    def decode(self, reader: Reader) -> bytes:
        return reader.take(_count(reader, self.most, 1))

    def encode(self, value: bytes) -> bytes:
        if len(value) > self.most:
            raise ValueError(f"{len(value)} bytes, at most {self.most}")
        return U64.encode(len(value)) + bytes(value)


class Text(Bytes):
    def decode(self, reader: Reader) -> str:
        data = super().decode(reader)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("invalid") from None

    def encode(self, value: str) -> bytes:
        return super().encode(value.encode("utf-8"))


class List:
    least = 8

    def __init__(self, item, most: int):
        self.item, self.most = item, most

    def decode(self, reader: Reader) -> list:
        return [self.item.decode(reader) for _ in range(_count(reader, self.most, self.item.least))]

    def encode(self, value: list) -> bytes:
        if len(value) > self.most:
            raise ValueError(f"{len(value)} items, at most {self.most}")
        return U64.encode(len(value)) + b"".join(self.item.encode(item) for item in value)


class Checked:
    """The encoding of `made_of`, without the values for which `accepts` is false."""

    def __init__(self, made_of, accepts):
        self.made_of, self.accepts, self.least = made_of, accepts, made_of.least

    def decode(self, reader: Reader):
        value = self.made_of.decode(reader)
        if not self.accepts(value):
            raise Refused("invalid")
        return value

    def encode(self, value) -> bytes:
        if not self.accepts(value):
            raise ValueError(f"not a value of this type: {value!r}")
        return self.made_of.encode(value)


class Structure:
    """Fields in order, without names or tags. The value is a dict."""

    def __init__(self, name: str, /, **fields):
        self.name, self.fields = name, fields
        self.least = sum(field.least for field in fields.values())

    def decode(self, reader: Reader) -> dict:
        value = {}
        for name, field in self.fields.items():
            try:
                value[name] = field.decode(reader)
            except Refused as refused:
                if refused.field is None:
                    refused = Refused(refused.error, f"{self.name}.{name}")
                raise refused from None
        return value

    def encode(self, value: dict) -> bytes:
        if value.keys() != self.fields.keys():
            raise ValueError(f"{self.name} has the fields {list(self.fields)}")
        return b"".join(field.encode(value[name]) for name, field in self.fields.items())


def decode_body(kind, data: bytes):
    """The one value that `data` encodes."""
    if len(data) > BODY_MAX:
        raise Refused("over-limit", "body")
    reader = Reader(data)
    value = kind.decode(reader)
    if reader.left:
        raise Refused("trailing-bytes")
    return value


def _extensions_accepted(extensions: list[dict]) -> bool:
    kinds = [extension["kind"] for extension in extensions]
    ascending = all(one < other for one, other in zip(kinds, kinds[1:]))
    return ascending and not any(kind & CRITICAL_EXTENSION for kind in kinds)


EXTENSIONS = Checked(
    List(Structure("Extension", kind=U16, value=Bytes(1024)), 16), _extensions_accepted
)


def is_reserved(code: int) -> bool:
    """Whether a frame type or extension kind is one that is sent without meaning (5.1)."""
    return code & 0x0F0F == 0x0A0A


def reserved_extension(random: bytes) -> dict:
    """An extension without meaning, chosen by at least 3 random bytes."""
    kind = 0x0A0A | (random[0] & 0x70) << 8 | random[1] & 0xF0
    return {"kind": kind, "value": random[3 : 3 + random[2] % 33]}
