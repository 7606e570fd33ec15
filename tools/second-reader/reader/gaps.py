"""Bytes of a disk of which nothing is known yet."""

from bisect import bisect_left, insort


class Gaps:
    def __init__(self, size: int):
        self.ranges: list[tuple[int, int]] = [(0, size)] if size else []

    def take(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges between start and end that were still unknown; they are known from now on."""
        at = bisect_left(self.ranges, (start, start))
        if at > 0 and self.ranges[at - 1][1] > start:
            at -= 1
        taken, left = [], []
        while at < len(self.ranges) and self.ranges[at][0] < end:
            low, high = self.ranges.pop(at)
            taken.append((max(low, start), min(high, end)))
            left += [part for part in ((low, start), (end, high)) if part[0] < part[1]]
        for part in left:
            insort(self.ranges, part)
        return taken
