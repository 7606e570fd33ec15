"""Which slots count, and the cuts they tell (page: "The log")."""

import re
from types import SimpleNamespace

from .errors import check, Refused
from .sealed import SLOT
from .segment import Segment

NO_TAG = bytes(32)
LEFT_BY_THE_DEAD = 8


class LogReader:
    """Reads from where `state` (covered, head, fence, failed over: of a catalogue) says to the head. `damage` tells why it ended before."""

    def __init__(self, vault, machine: bytes, state: SimpleNamespace):
        self.vault, self.machine = vault, machine
        self.head, self.head_tag = state.head, state.head.tag if state.head else NO_TAG
        self.fence, self.failed_over = state.fence, state.failed_over
        self.segments: dict[int, Segment] = {}
        self.cuts: list[SimpleNamespace] = []
        self.damage: Refused | None = None
        self._pending = None
        sequence = state.covered
        while self._read(sequence):
            sequence += 1

    def _name(self, sequence: int) -> str:
        return f"m/{self.machine.hex()}/log/{sequence:012d}"

    def open(self, sequence: int) -> Segment | None:
        """A slot by number, whether it counts or not."""
        if sequence not in self.segments:
            found = self.vault.find(self._name(sequence), SLOT, self.machine, sequence)
            if found is None:
                return None
            self.segments[sequence] = Segment(found)
        return self.segments[sequence]

    def _read(self, sequence: int) -> bool:
        try:
            segment = self.open(sequence)
            if segment is None:
                self._look_behind(sequence)
                return False
            if segment.object.header.previous == self.head_tag and segment.term >= self.fence:
                self._take(segment)
            return True
        except Refused as damage:
            self.damage = damage
            return False

    def _look_behind(self, sequence: int) -> None:
        names = (re.fullmatch(r".*/log/(\d{12})", name) for name in self.vault.store.list(f"m/{self.machine.hex()}/log/"))
        behind = sum(1 for match in names if match and int(match[1]) > sequence)
        check(behind < LEFT_BY_THE_DEAD, self._name(sequence), f"is lost: {behind} slots behind it are there")

    def _take(self, segment: Segment) -> None:
        for kind, record in segment.records:
            if kind == "cut_part":
                self._take_part(segment, record)
            elif kind == "fence":
                self.fence = record.term
                self._pending = None
            elif kind == "failover":
                self.failed_over = record
            elif kind == "release" and self.failed_over and self.failed_over.operation == record.operation:
                self.failed_over = None
        tag = segment.object.tag
        self.head, self.head_tag = SimpleNamespace(sequence=segment.sequence, tag=tag, term=segment.term), tag

    def _take_part(self, segment: Segment, part) -> None:
        record = part.record
        if record.part == 0:
            check(record.cut is not None and record.cut.id == record.cut_id, segment.name, "begins a cut without saying which")
            self._pending = SimpleNamespace(cut=record.cut, next=0, frames=[[] for _ in record.cut.epochs])
        pending = self._pending
        if pending is None or pending.cut.id != record.cut_id or pending.next != record.part:
            self._pending = None  # the writer gave the cut up
            return
        pending.next += 1
        for epoch, first, at, count in part.frames:
            check(epoch < len(pending.frames), segment.name, "has frames of an epoch that the cut has not")
            runs = pending.frames[epoch]
            check(first == sum(run[2] for run in runs), segment.name, "leaves frames of an epoch out")
            runs.append((segment.sequence, at, count))
        if record.last:
            for epoch, runs in zip(pending.cut.epochs, pending.frames):
                check(sum(run[2] for run in runs) == epoch.frame_count, segment.name, "ends a cut of which frames are missing")
            self.cuts.append(SimpleNamespace(cut=pending.cut, sequence=segment.sequence, frames=pending.frames))
            self._pending = None
