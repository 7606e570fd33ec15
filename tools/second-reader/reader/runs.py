"""Data below the tail, sorted by offset (page: "Runs")."""

import struct
from typing import NamedTuple

from .errors import check
from .frame import Frame
from .messages import PART_RECORDS, RUN_RECORDS
from .sealed import PART, RUN

LARGEST_DATA = 64 << 10


class Entry(NamedTuple):
    offset: int
    length: int
    kind: int
    cut: int
    frame: int
    position: int


class PartReader:
    def __init__(self, vault, machine: bytes, disk: bytes, ref):
        self.object = vault.open_reference("parts", PART, machine, ref.object)
        name, index, frames = self.object.name, self.object.index, self.object.header.frames
        check(self.object.message(PART_RECORDS).disk == disk, name, "is of another disk")
        self.frames: dict[int, Frame] = {}
        if not index:
            self.entries = []
            return
        check(len(index) >= 4 + 4 * frames, name, "has an index without its frames")
        count = struct.unpack_from("<I", index)[0]
        self.object.place_frames(list(struct.unpack_from(f"<{frames}I", index, 4)))
        at = 4 + 4 * frames
        check(len(index) == at + 32 * count, name, "has an index of another length")
        self.entries = [Entry(*struct.unpack_from("<QIIQII", index, at + 32 * n)) for n in range(count)]
        self._check_order(name, ref)

    def _check_order(self, name: str, ref) -> None:
        for entry in self.entries:
            check(ref.start <= entry.offset and entry.offset + entry.length <= ref.end and entry.length > 0, name, "tells of something outside")
            check(entry.kind <= 2 and entry.frame < max(self.object.header.frames, 1), name, "has an entry that cannot be")
        for one, next in zip(self.entries, self.entries[1:]):
            same = one[:2] == next[:2] and one.cut > next.cut
            check(same or one.offset + one.length <= next.offset, name, "has entries that are out of order")

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        if entry.frame not in self.frames:
            name = f"{self.object.name} frame {entry.frame}"
            self.frames[entry.frame] = Frame(name, self.object.frame(entry.frame), LARGEST_DATA)
        return self.frames[entry.frame].read(offset, entry.position + offset - entry.offset, length)


def open_run(vault, machine: bytes, ref) -> list[PartReader]:
    object = vault.open_reference("runs", RUN, machine, ref.object)
    records = object.message(RUN_RECORDS)
    check(records.disk == ref.disk, object.name, "is of another disk")
    for one, next in zip(records.parts, records.parts[1:]):
        check(one.end <= next.start, object.name, "has parts that overlap")
    return [PartReader(vault, machine, ref.disk, part) for part in records.parts]
