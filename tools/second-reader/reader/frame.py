"""A frame, decoded and checked (page: "Frame")."""

import hashlib
import struct
import zlib

import lz4.block

from .errors import check, Refused

BLOCK = 4096
DATA, ZERO, UNREADABLE = range(3)
STORED, LZ4, ZSTD = range(3)
LARGEST_EXTENT = 1 << 30


def _decode(name: str, codec: int, payload: bytes, size: int) -> bytes:
    if codec == STORED:
        data = payload
    elif codec == LZ4:
        check(len(payload) >= 4 and struct.unpack_from("<I", payload)[0] == size, name, "has a payload of another length")
        try:
            data = lz4.block.decompress(payload[4:], uncompressed_size=size)
        except lz4.block.LZ4BlockError as error:
            raise Refused(name, f"has a payload that is no LZ4 block: {error}") from error
    elif codec == ZSTD:
        import zstandard  # only where it is needed

        try:
            data = zstandard.ZstdDecompressor().decompress(payload, max_output_size=max(size, 1))
        except zstandard.ZstdError as error:
            raise Refused(name, f"has a payload that is no Zstandard frame: {error}") from error
    else:
        raise Refused(name, f"has codec {codec}, this reader knows 0, 1 and 2")
    check(len(data) == size, name, "decodes to another length")
    return data


class Frame:
    """`name` says where the frame is, for people."""

    def __init__(self, name: str, raw: bytes, most: int):
        self.name = name
        check(16 <= len(raw) <= 1 << 20, name, "has a length that no frame has")
        version, codec, count, size, payload, crc = struct.unpack_from("<BBHIII", raw)
        check(version == 1, name, f"has version {version}, this reader knows 1")
        check(count <= 8192 and size <= most, name, "is larger than frames are")
        check(zlib.crc32(raw[16:], zlib.crc32(raw[:12])) == crc, name, "has another checksum")
        check(len(raw) >= 16 + 16 * count, name, "is shorter than its extents")
        self.extents = [struct.unpack_from("<QII", raw, 16 + 16 * n) for n in range(count)]
        for offset, length, kind in self.extents:
            check(offset % BLOCK == 0 and 1 <= length <= LARGEST_EXTENT and kind <= UNREADABLE, name, "has an extent that cannot be")
        data = [extent for extent in self.extents if extent[2] == DATA]
        check(sum(length for _, length, _ in data) == size, name, "has more or less data than its extents")
        blocks = sum(-(-length // BLOCK) for _, length, _ in data)
        digests_at = 16 + 16 * count
        check(len(raw) == digests_at + 16 * blocks + payload, name, "has another length than its header says")
        self.digests = raw[digests_at:digests_at + 16 * blocks]
        self.data = _decode(name, codec, raw[digests_at + 16 * blocks:], size)

    def data_extents(self):
        """(offset on the disk, position in the data, length, number of its first digest) of each data extent."""
        at = digest = 0
        for offset, length, kind in self.extents:
            if kind == DATA:
                yield offset, at, length, digest
                at += length
                digest += -(-length // BLOCK)

    def read(self, offset: int, position: int, length: int) -> bytes:
        """The bytes from `position` of the data on, which must be those from `offset` of the disk on; each block of them is verified."""
        found = 0
        for extent, at, size, digest in self.data_extents():
            start, end = max(position, at), min(position + length, at + size)
            if start >= end:
                continue
            check(extent + start - at == offset + start - position, self.name, "holds other bytes than the index says")
            for block in range((start - at) // BLOCK, -(-(end - at) // BLOCK)):
                content = self.data[at + block * BLOCK:at + min((block + 1) * BLOCK, size)]
                expected = self.digests[16 * (digest + block):16 * (digest + block + 1)]
                check(hashlib.sha256(content).digest()[:16] == expected, self.name, f"has a block at {extent + block * BLOCK} that is not the source's")
            found += end - start
        check(found == length, self.name, "holds fewer bytes than the index says")
        return self.data[position:position + length]
