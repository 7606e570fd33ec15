"""Objects as they lie in the store: header, boxes, tag (page: "Object header", "Boxes")."""

import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import check, Refused
from .protobuf import Malformed

SLOT, TERM, MACHINE, DATA_KEY, VAULT, KEY_SLOT, CATALOGUE, HISTORY, RUN, PART, HOLD = range(1, 12)
HOLDERS = 13
HEADER = 160
LATER_ROOT = 2
HEADER_PART, RECORDS_PART, INDEX_PART, FRAME_PART = range(4)


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@dataclass
class Header:
    version: int
    kind: int
    mode: int
    key_epoch: int
    vault: bytes
    machine: bytes
    number: int
    previous: bytes
    salt: bytes
    records: int
    index: int
    frames: int
    frame_bytes: int

    @property
    def root(self) -> int:
        """Which root key it is under, 0 for a data key."""
        if self.mode == LATER_ROOT:
            return self.key_epoch
        return 1 if self.key_epoch == 0 else 0


def parse_header(name: str, data: bytes) -> Header:
    check(len(data) >= HEADER, name, "is shorter than a header")
    check(data[:8] == b"HOLDFAST", name, "does not begin with the magic")
    version = struct.unpack_from("<H", data, 8)[0]
    check(version == 1, name, f"has format version {version}, this reader knows 1")
    kind, mode, key_epoch = struct.unpack_from("<BBI", data, 10)
    records, index, frames, zero, frame_bytes = struct.unpack_from("<IIIIQ", data, 120)
    header = Header(
        version, kind, mode, key_epoch, data[16:32], data[32:48], struct.unpack_from("<Q", data, 48)[0], data[56:88], data[88:120],
        records, index, frames, frame_bytes,
    )
    check(mode in (0, LATER_ROOT), name, f"has key mode {mode}, this reader knows 0 and {LATER_ROOT}")
    check(mode == 0 or key_epoch >= 2, name, f"names root key {key_epoch} as a later one")
    check(zero == 0, name, "has something at 132")
    check(16 <= records <= 16 << 20 and index <= 64 << 20 and frames <= 65536, name, "is larger than objects are")
    check(index > 0 or frames == 0, name, "has frames and no index")
    check(len(data) == HEADER + records + index + frame_bytes, name, f"has {len(data)} bytes, its header says otherwise")
    return header


class SealedObject:
    """An object of which header, records and index are authenticated; `frame(n)` authenticates a frame."""

    def __init__(self, name: str, data: bytes, key_of):
        """`key_of(header)` gives the key that a header names."""
        self.name = name
        self.data = data
        self.header = header = parse_header(name, data)
        key = key_of(header)
        info = b"holdfast object v1" + header.vault + header.machine + bytes([header.kind])
        self.gcm = AESGCM(hkdf(key, header.salt, info, 32))
        self._open(HEADER_PART, 0, 1, data[144:HEADER])
        index_at = HEADER + header.records
        self.records = self._open(RECORDS_PART, 0, 1, data[HEADER:index_at])
        self.frames_at = index_at + header.index
        self.index = self._open(INDEX_PART, 0, 1, data[index_at:self.frames_at]) if header.index else b""
        self.tag = hashlib.sha256(data[:self.frames_at]).digest()
        self.boxes: list[tuple[int, int]] = []

    def _open(self, part: int, number: int, last: int, box: bytes) -> bytes:
        check(len(box) >= 16, self.name, "has a box shorter than its tag")
        nonce = struct.pack("<IQ", part, number)
        aad = self.data[:144] + struct.pack("<BBHIQ", part, last, 0, len(box) - 16, number)
        try:
            return self.gcm.decrypt(nonce, box, aad)
        except InvalidTag:
            raise Refused(self.name, f"is damaged (part {part}, number {number})") from None

    def place_frames(self, sizes: list[int]) -> None:
        """Says how many bytes each frame's box has, as the index tells."""
        check(len(sizes) == self.header.frames and sum(sizes) == self.header.frame_bytes, self.name, "has an index for other frames")
        at = self.frames_at
        for size in sizes:
            self.boxes.append((at, at + size))
            at += size

    def frame(self, number: int) -> bytes:
        start, end = self.boxes[number]
        return self._open(FRAME_PART, number, int(number == self.header.frames - 1), self.data[start:end])

    def message(self, schema):
        try:
            return schema.parse(self.records)
        except Malformed as error:
            raise Refused(self.name, f"has malformed records: {error}") from error
