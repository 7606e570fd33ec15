"""What a disk at a point is, in a few words."""

import hashlib

from .frame import BLOCK


def disk_digest(machine, point, disk: bytes) -> dict:
    """Size, SHA-256 of the whole disk with unreadable blocks as zeroes, and the numbers of those."""
    size, pieces = machine.read_disk(point, disk)
    content, unreadable = bytearray(size), set()
    for offset, length, data in pieces:
        if data is None:
            unreadable.update(range(offset // BLOCK, -(-(offset + length) // BLOCK)))
        else:
            content[offset:offset + length] = data
    return {"size": size, "sha256": hashlib.sha256(content).hexdigest(), "unreadableBlocks": sorted(unreadable)}
