"""Generations, epochs and points out of cuts (page: "Lineage")."""

from dataclasses import dataclass, field

from .errors import check

Frames = list[tuple[int, int, int]]  # slot, first frame in it, count


@dataclass
class Told:
    """An epoch that is told: the number of its cut, and where its frames are."""

    epoch: object
    cut: int
    frames: Frames


@dataclass
class Generation:
    id: bytes
    disk: bytes
    parent: object | None
    first_cut: int
    epochs: int = 0
    closed: bool = False
    told: dict[int, Told] = field(default_factory=dict)


class Lineage:
    def __init__(self, machine: bytes):
        self.machine = machine
        self.name = f"m/{machine.hex()}"
        self.generations: dict[bytes, Generation] = {}
        self.newest: dict[bytes, bytes] = {}
        self.cuts: list[tuple[int, object]] = []
        self.thinned_end = 0

    def summarize(self, summaries, thinned_end: int) -> None:
        """What thinning left of generations, as they stood behind cut thinned_end - 1."""
        self.thinned_end = thinned_end
        for summary in summaries:
            introduced = summary.generation
            self.generations[introduced.id] = Generation(
                introduced.id, introduced.disk, introduced.parent, summary.first_cut, summary.epochs, summary.first_state is not None,
            )
            self.newest[introduced.disk] = introduced.id

    def add(self, number: int, cut, frames: list[Frames]) -> None:
        self._check(cut)
        if number >= self.thinned_end:
            for generation in cut.generations:
                self._introduce(number, cut, generation)
        for epoch, places in zip(cut.epochs, frames):
            generation = self.generations.get(epoch.generation)
            check(generation is not None and generation.disk == epoch.disk, self.name, f"cut {number} goes on with a generation that is not known")
            if number >= self.thinned_end:
                self._follow(number, generation, epoch)
            else:
                check(epoch.number < generation.epochs, self.name, f"cut {number} has an epoch that its generation has not")
            generation.told[epoch.number] = Told(epoch, number, places)
        self.cuts.append((number, cut))

    def _check(self, cut) -> None:
        check(cut.machine == self.machine, self.name, "has a cut of another machine")
        check(len(cut.epochs) >= 1, self.name, "has a cut without epochs")
        check(len({epoch.disk for epoch in cut.epochs}) == len(cut.epochs), self.name, "has a cut with two epochs of a disk")
        check(all(epoch.cut == cut.id for epoch in cut.epochs), self.name, "has a cut with an epoch of another one")

    def _introduce(self, number: int, cut, introduced) -> None:
        check(introduced.id not in self.generations, self.name, f"cut {number} introduces a generation for the second time")
        begun = any(e.generation == introduced.id and e.disk == introduced.disk and e.number == 0 for e in cut.epochs)
        check(begun, self.name, f"cut {number} introduces a generation without its epoch 0")
        if introduced.parent:
            parent = self.generations.get(introduced.parent.generation)
            known = parent and parent.disk == introduced.disk and introduced.parent.number in parent.told
            check(known, self.name, f"cut {number} goes on from an epoch that is not there")
        self.generations[introduced.id] = Generation(introduced.id, introduced.disk, introduced.parent, number)
        self.newest[introduced.disk] = introduced.id

    def _follow(self, number: int, generation: Generation, epoch) -> None:
        check(self.newest[epoch.disk] == generation.id, self.name, f"cut {number} goes on with an older generation")
        check(epoch.number == generation.epochs, self.name, f"cut {number} has epoch {epoch.number}, {generation.epochs} would follow")
        check(not (epoch.open and generation.closed), self.name, f"cut {number} has a piece of a copy that was complete")
        generation.epochs += 1
        generation.closed = generation.closed or not epoch.open

    def told(self, ref) -> Told | None:
        generation = self.generations.get(ref.generation)
        return generation.told.get(ref.number) if generation else None

    def points(self):
        """Every point that exists, in the order of their cuts."""
        for _, cut in self.cuts:
            if cut.point is None:
                continue
            members = [self.told(member.epoch) for member in cut.point.members]
            if all(member and not member.epoch.open for member in members):
                yield cut.point

    def path(self, ref) -> tuple[list[Told], list[tuple[int, int]]]:
        """The epochs that make a state, newest first, and the ranges of cuts (both ends included) of the generations they belong to."""
        epochs, ranges = [], []
        while ref:
            last = self.told(ref)
            check(last is not None, self.name, f"an epoch that a path needs is not told: {ref.generation.hex()} {ref.number}")
            generation = self.generations[ref.generation]
            ranges.append((generation.first_cut, last.cut))
            epochs += [generation.told[number] for number in sorted(generation.told, reverse=True) if number <= ref.number]
            ref = generation.parent
        return epochs, ranges
