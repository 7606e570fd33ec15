"""All that a machine's vault says, and its disks at its points (page: "Catalogue", "History", "Reading a disk at a point")."""

import re
from types import SimpleNamespace

from .errors import check, Missing, Refused
from .frame import DATA, Frame, UNREADABLE
from .gaps import Gaps
from .lineage import Lineage
from .log import LogReader
from .messages import CATALOGUE, HISTORY_RECORDS
from .runs import open_run
from . import sealed

LARGEST_DATA = 256 << 10
EMPTY = SimpleNamespace(covered=0, head=None, fence=0, failed_over=None, history=[], cuts=0, compacted=0, runs=[], first_slot=0)


class Machine:
    """`warnings`: what was stepped over. `log.damage`: why the log was not read to its end."""

    def __init__(self, vault, id: bytes):
        self.vault, self.id = vault, id
        self.warnings: list[str] = []
        newest = self._newest_version()
        for version in range(newest, -1, -1):
            try:
                self._read(self._catalogue(version) if version else EMPTY)
                break
            except Refused as damage:
                if version == 0 or isinstance(damage, Missing) and version < newest:
                    raise Refused(self.warnings[0].split(": ")[0], "is damaged, and what older ones say is no longer there") from damage if self.warnings else damage
                self.warnings.append(str(damage))
        self.points = list(self.lineage.points())

    def _prefix(self, directory: str) -> str:
        return f"m/{self.id.hex()}/{directory}/"

    def _version_name(self, version: int) -> str:
        return f"{self._prefix('catalogue')}{999_999_999_999 - version:012d}"

    def _newest_version(self) -> int:
        prefix = self._prefix("catalogue")
        listed = [name for name in self.vault.store.list(prefix) if re.fullmatch(r"\d{12}", name[len(prefix):])]
        version = 999_999_999_999 - int(listed[0][len(prefix):]) if listed else 0
        while self.vault.store.get(self._version_name(version + 1)) is not None:
            version += 1
        return version

    def _catalogue(self, version: int):
        object = self.vault.open(self._version_name(version), sealed.CATALOGUE, self.id, version)
        catalogue = object.message(CATALOGUE)
        check(catalogue.compacted <= catalogue.cuts and catalogue.first_slot <= catalogue.covered, object.name, "contradicts itself")
        return catalogue

    def _read(self, catalogue) -> None:
        self.catalogue = catalogue
        self.lineage = Lineage(self.id)
        next_cut = 0
        for ref in catalogue.history:
            check(ref.first_cut == next_cut <= ref.end_cut, self._prefix("catalogue"), "has a history with a hole")
            self._read_history(ref)
            next_cut = ref.end_cut
        check(next_cut == catalogue.cuts, self._prefix("catalogue"), "has a history that ends elsewhere")
        self.runs: dict[bytes, list] = {}
        for ref in catalogue.runs:
            self.runs.setdefault(ref.disk, []).append(ref)
        self.log = LogReader(self.vault, self.id, catalogue)
        for number, placed in enumerate(self.log.cuts, catalogue.cuts):
            self.lineage.add(number, placed.cut, placed.frames)

    def _read_history(self, ref) -> None:
        object = self.vault.open_reference("history", sealed.HISTORY, self.id, ref.object)
        records = object.message(HISTORY_RECORDS)
        if records.thinned_end:
            check(ref.first_cut == 0, object.name, "tells of thinning, and is not the first one")
            self.lineage.summarize(records.generations, records.thinned_end)
        before = ref.first_cut - 1
        for placed in records.cuts:
            check(before < placed.number < ref.end_cut, object.name, "has cuts that are out of order")
            before = placed.number
            check(placed.cut is not None and len(placed.epochs) == len(placed.cut.epochs), object.name, "has a cut without its epochs")
            frames = [[(run.sequence, run.first, run.count) for run in place.runs] for place in placed.epochs]
            self.lineage.add(placed.number, placed.cut, frames)

    def read_disk(self, point, disk: bytes):
        """(size, pieces): every piece is (offset, length, bytes | None for what must not be served); what no piece tells of is zero."""
        refs = [member.epoch for member in point.members if member.disk == disk]
        check(len(refs) == 1, f"point {point.id.hex()}", f"has no disk {disk.hex()}")
        epochs, ranges = self.lineage.path(refs[0])
        size = epochs[0].epoch.size
        return size, self._pieces(disk, size, epochs, ranges)

    def _pieces(self, disk: bytes, size: int, epochs, ranges):
        gaps = Gaps(size)
        for told in epochs:
            if told.cut >= self.catalogue.compacted:
                yield from self._pieces_of_epoch(told, gaps)
                gaps.take(told.epoch.size, size)
        for ref in reversed(self.runs.get(disk, [])):
            for part in open_run(self.vault, self.id, ref):
                for entry in part.entries:
                    if not any(first <= entry.cut <= last for first, last in ranges):
                        continue
                    for start, end in gaps.take(entry.offset, entry.offset + entry.length):
                        if entry.kind == DATA:
                            yield start, end - start, part.read(entry, start, end - start)
                        elif entry.kind == UNREADABLE:
                            yield start, end - start, None

    def _pieces_of_epoch(self, told, gaps: Gaps):
        for sequence, first, count in reversed(told.frames):
            segment = self.log.open(sequence)
            if segment is None:
                raise Missing(f"{self._prefix('log')}{sequence:012d}")
            check(first + count <= len(segment.extents), segment.name, "has fewer frames than the history says")
            for number in range(first + count - 1, first - 1, -1):
                yield from self._pieces_of_frame(segment, number, gaps)

    def _pieces_of_frame(self, segment, number: int, gaps: Gaps):
        extents = segment.extents[number]
        ends = []
        position = 0
        for _, length, kind in extents:
            position += length if kind == DATA else 0
            ends.append(position)
        frame = None
        for (offset, length, kind), end_position in zip(reversed(extents), reversed(ends)):
            for start, end in gaps.take(offset, offset + length):
                if kind == UNREADABLE:
                    yield start, end - start, None
                if kind != DATA:
                    continue
                if frame is None:
                    name = f"{segment.name} frame {number}"
                    frame = Frame(name, segment.object.frame(number), LARGEST_DATA)
                    check(frame.extents == extents, name, "has other extents than the index says")
                yield start, end - start, frame.read(start, end_position - length + start - offset, end - start)
