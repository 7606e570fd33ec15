"""A slot of the log (page: "Segment")."""

import struct
from dataclasses import dataclass

from .errors import check
from .messages import SEGMENT_RECORDS
from .sealed import SealedObject

Extent = tuple[int, int, int]  # offset, length, kind


@dataclass
class Part:
    """A cut part, and where the frames of its epochs are: (epoch, first within the epoch, first in the slot, count)."""

    record: object
    frames: list[tuple[int, int, int, int]]


class Segment:
    def __init__(self, object: SealedObject):
        self.name = object.name
        self.object = object
        self.sequence = object.header.number
        records = object.message(SEGMENT_RECORDS)
        check(records.term >= 1, self.name, "has no term")
        self.term = records.term
        self.records = []
        at = 0
        for record in records.records:
            present = [(kind, value) for kind, value in vars(record).items() if value is not None]
            check(len(present) == 1, self.name, "has a record of a newer version")
            kind, value = present[0]
            if kind == "cut_part":
                frames = []
                for entry in value.epochs:
                    frames.append((entry.epoch, entry.first, at, entry.count))
                    at += entry.count
                value = Part(value, frames)
            self.records.append((kind, value))
        check(at == object.header.frames, self.name, "has frames that no cut part counts")
        self.extents = self._parse_index()

    def _parse_index(self) -> list[list[Extent]]:
        index, count = self.object.index, self.object.header.frames
        check(len(index) >= 8 * count, self.name, "has an index without its frames")
        rows = [struct.unpack_from("<II", index, 8 * n) for n in range(count)]
        check(len(index) == 8 * count + 16 * sum(extents for _, extents in rows), self.name, "has an index of another length")
        at, result = 8 * count, []
        for _, extents in rows:
            result.append([struct.unpack_from("<QII", index, at + 16 * n) for n in range(extents)])
            at += 16 * extents
        self.object.place_frames([size for size, _ in rows])
        return result
