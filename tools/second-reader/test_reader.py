#!/usr/bin/python3
"""What the second reader refuses: `test_reader.py GOLDEN` tries it on copies in memory of a golden vault (a folder with `vault/` and `expected.json`).

The oracle: a disk that is served is the one that was there. It is itself tried on readers that are wrong.
"""

import json
import os
import random
import struct
import sys
import unittest
from unittest import mock

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from reader import frame, sealed
from reader.digest import disk_digest
from reader.errors import Refused
from reader.gaps import Gaps
from reader.lineage import Lineage
from reader.machine import Machine
from reader.store import MemoryStore
from reader.vault import Vault

GOLDEN = sys.argv.pop() if len(sys.argv) > 1 else ""


def load(root: str) -> dict[str, bytes]:
    objects = {}
    for folder, _, files in os.walk(root):
        for file in files:
            path = os.path.join(folder, file)
            with open(path, "rb") as content:
                objects[os.path.relpath(path, root)] = content.read()
    return objects


class Recording(MemoryStore):
    """Remembers which objects were asked for."""

    def __init__(self, objects):
        super().__init__(objects)
        self.asked = set()

    def get(self, name):
        self.asked.add(name)
        return super().get(name)


class Damage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objects = load(os.path.join(GOLDEN, "vault"))
        with open(os.path.join(GOLDEN, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
        cls.key = bytes.fromhex(expected["keyFile"])
        cls.machines = {
            bytes.fromhex(machine["id"]): {
                (bytes.fromhex(point["id"]), bytes.fromhex(disk)): answer for point in machine["points"] for disk, answer in point["disks"].items()
            }
            for machine in expected["machines"]
        }

    def read(self, objects, machine_id: bytes):
        """(served, noticed): whether all that was served is right and complete is for the caller; `noticed` says that something was refused or stepped over."""
        served, noticed, store = {}, False, Recording(objects)
        try:
            machine = Machine(Vault(store, self.key), machine_id)
            noticed = bool(machine.warnings) or machine.log.damage is not None
            for point in machine.points:
                for member in point.members:
                    try:
                        served[point.id, member.disk] = disk_digest(machine, point, member.disk)
                    except Refused:
                        noticed = True
        except Refused:
            noticed = True
        return served, noticed, store.asked

    def wrong(self, served, machine_id: bytes):
        expected = self.machines[machine_id]
        return [key for key, answer in served.items() if expected.get(key) != answer]

    def of_machine(self, machine_id: bytes):
        return [name for name in sorted(self.objects) if name.startswith(f"m/{machine_id.hex()}/")]

    def flips(self, data: bytes, chance: random.Random):
        """One bit in each part of an object: fields of the header one by one, records, index, each of a few frames."""
        header = sealed.parse_header("golden", data)
        index = sealed.HEADER + header.records
        frames = index + header.index
        bounds = [(0, 16), (16, 56), (56, 120), (120, 144), (144, 160), (160, index), (index, frames)]
        third = max((len(data) - frames) // 3, 1)
        bounds += [(at, min(at + third, len(data))) for at in range(frames, len(data), third)]
        for start, end in bounds:
            if start < end:
                at = chance.randrange(start, end)
                flipped = bytearray(data)
                flipped[at] ^= 1 << chance.randrange(8)
                yield at < frames, bytes(flipped)

    def test_whole(self):
        for machine_id, expected in self.machines.items():
            served, noticed, _ = self.read(self.objects, machine_id)
            self.assertEqual(served, expected)
            self.assertFalse(noticed)

    def test_bit_flips(self):
        chance = random.Random(5)
        for machine_id in self.machines:
            asked = self.read(self.objects, machine_id)[2]
            for name in self.of_machine(machine_id):
                for outside_frames, data in self.flips(self.objects[name], chance):
                    served, noticed, _ = self.read({**self.objects, name: data}, machine_id)
                    self.assertEqual(self.wrong(served, machine_id), [], name)
                    if outside_frames and name in asked:
                        self.assertTrue(noticed, name)

    def test_lost_swapped_and_cut_off(self):
        for machine_id in self.machines:
            asked = self.read(self.objects, machine_id)[2]
            names = [name for name in self.of_machine(machine_id) if name in asked]
            for name, other in zip(names, names[1:] + names[:1]):
                for change in ({name: self.objects[other]}, {name: self.objects[name][:-1]}, {name: self.objects[name] + b"\0"}, {name: b""}):
                    served, noticed, _ = self.read({**self.objects, **change}, machine_id)
                    self.assertEqual(self.wrong(served, machine_id), [], name)
                    self.assertTrue(noticed or name == other, name)
                lost = {other: data for other, data in self.objects.items() if other != name}
                served, noticed, _ = self.read(lost, machine_id)
                self.assertEqual(self.wrong(served, machine_id), [], name)
                # A log or a line of catalogues that ends earlier is whole: only an anchor kept elsewhere tells that its end was taken away.
                self.assertTrue(noticed or "/log/" in name or "/catalogue/" in name, name)

    def test_control_other_order(self):
        """The oracle finds a reader that lets the older change win, and one that goes past a generation's parent."""
        path = Lineage.path

        def backwards(self, ref):
            epochs, ranges = path(self, ref)
            return epochs[:1] + epochs[:0:-1], ranges

        def orphaned(self, ref):
            epochs, ranges = path(self, ref)
            return [told for told in epochs if told.epoch.generation == ref.generation], ranges[:1]

        for mistake in (backwards, orphaned):
            with mock.patch.object(Lineage, "path", mistake):
                wrong = [self.wrong(self.read(self.objects, machine_id)[0], machine_id) for machine_id in self.machines]
            self.assertTrue(any(wrong), mistake.__name__)

    def test_control_nothing_authenticated(self):
        """The oracle finds a reader that decrypts without authenticating and does not look at checksums and digests."""

        def unauthenticated(self, part, number, last, box):
            counter = struct.pack("<IQ", part, number) + (2).to_bytes(4, "big")
            return Cipher(algorithms.AES(self.gcm), modes.CTR(counter)).decryptor().update(box[:-16])

        wrong = 0
        with mock.patch.object(sealed, "AESGCM", bytes), mock.patch.object(sealed.SealedObject, "_open", unauthenticated), \
                mock.patch.object(frame, "check", lambda *_: None):
            for machine_id in self.machines:
                for name in self.of_machine(machine_id):
                    if "/log/" not in name and "/parts/" not in name:
                        continue
                    data = bytearray(self.objects[name])
                    header = sealed.parse_header(name, data)
                    if header.frames:
                        data[-17] ^= 1
                        wrong += len(self.wrong(self.read({**self.objects, name: bytes(data)}, machine_id)[0], machine_id))
        self.assertGreater(wrong, 0)


class GapsAgainstAModel(unittest.TestCase):
    def test_random(self):
        chance = random.Random(1)
        for _ in range(300):
            gaps, model = Gaps(64), set(range(64))
            for _ in range(12):
                start = chance.randrange(64)
                end = chance.randrange(start, 65)
                taken = [byte for low, high in gaps.take(start, end) for byte in range(low, high)]
                self.assertEqual(taken, sorted(model & set(range(start, end))))
                model -= set(range(start, end))


if __name__ == "__main__":
    unittest.main()
