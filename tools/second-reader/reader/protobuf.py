"""The part of protobuf's wire format that the page needs: messages by tables of fields."""

from types import SimpleNamespace

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class Malformed(Exception):
    pass


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("a number does not end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


def _fields(data: bytes):
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire == LENGTH:
            length, at = _varint(data, at)
            value, at = data[at:at + length], at + length
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
            value, at = data[at:at + length], at + length
        else:
            raise Malformed(f"wire type {wire}")
        if at > len(data):
            raise Malformed("a field is longer than its message")
        yield key >> 3, wire, value


class Message:
    """`Message(number=("name", type), …)`: types are int, bool, str, bytes, another Message, `[type]` for repeated, `(type,)` for optional ones."""

    def __init__(self, **fields):
        self.fields = {}
        self.absent = {}
        for name, (number, kind) in fields.items():
            self.fields[number] = (name, kind)
            plain = kind in (int, bool, str, bytes)
            self.absent[name] = kind() if plain else None

    def parse(self, data: bytes) -> SimpleNamespace:
        result = SimpleNamespace(**self.absent)
        for name, kind in self.fields.values():
            if isinstance(kind, list):
                setattr(result, name, [])
        for number, wire, value in _fields(data):
            name, kind = self.fields.get(number, (None, None))
            if name is None:
                continue
            of = kind[0] if isinstance(kind, (list, tuple)) else kind
            if wire != (VARINT if of in (int, bool) else LENGTH):
                raise Malformed(f"{name} has wire type {wire}")
            if isinstance(of, Message):
                value = of.parse(value)
            elif of is str:
                try:
                    value = value.decode()
                except UnicodeDecodeError as error:
                    raise Malformed(f"{name} is no text") from error
            elif of is bool:
                value = value != 0
            if isinstance(kind, list):
                getattr(result, name).append(value)
            else:
                setattr(result, name, value)
        return result
