"""A vault: its keys, its machines, its objects by name."""

import re

from .errors import check, Missing, Refused
from .keys import slots_of
from .messages import DATA_KEY, HOLDERS, MACHINE, VAULT
from . import sealed

NO_MACHINE = bytes(16)


class Vault:
    def __init__(self, store, key: bytes | str):
        self.store = store
        data = store.get("vault")
        check(data is not None, "vault", "is missing: this is no vault")
        self.id = sealed.parse_header("vault", data).vault
        self.data_keys: dict[tuple[bytes, int], bytes] = {}
        self.roots: dict[int, bytes] = {}
        records = self._prove(key)
        self.name, self.created = records.name, records.created

    def _prove(self, key: bytes | str):
        """Finds the slot of the root key in force that opens the vault (page: "Holders")."""
        newest, in_force = self._root_in_force()
        flaw = Refused("keys/", "has only slots of root keys that are not in force")
        for slot, number, root in slots_of(self.store, self.id, key):
            if number != in_force:
                continue
            self.roots = {number: root}
            try:
                holders = self._holders(newest, number)
                check(holders is None or slot not in holders.removed, f"keys/{slot.hex()}", "was taken back")
                check(holders is not None or number == 1, "holders/", "tell no older root keys")
                if holders is not None:
                    self.roots.update(enumerate(holders.earlier, 1))
                return self.open("vault", sealed.VAULT, NO_MACHINE).message(VAULT)
            except Refused as error:
                flaw = error
        raise flaw

    def _root_in_force(self) -> tuple[int, int]:
        """(newest version of the holders, which root key is in force)"""
        newest = 0
        while self.store.get(f"holders/{newest + 1:012d}") is not None:
            newest += 1
        for version in range(newest, 0, -1):
            name = f"holders/{version:012d}"
            try:
                return newest, sealed.parse_header(name, self.store.get(name)).root
            except Refused:
                continue
        return newest, 1

    def _holders(self, newest: int, root: int):
        """The newest version under this root key that is whole; None when there is none."""
        for version in range(newest, 0, -1):
            name = f"holders/{version:012d}"
            try:
                if sealed.parse_header(name, self.store.get(name)).root != root:
                    continue
                records = self.open(name, sealed.HOLDERS, NO_MACHINE, version).message(HOLDERS)
                check(len(records.earlier) == root - 1 and all(len(key) == 32 for key in records.earlier), name, "tells other root keys than there were")
                return records
            except Refused:
                continue
        return None

    def _key(self, header: sealed.Header) -> bytes:
        if header.root:
            check(header.root in self.roots, "vault", f"never had root key {header.root}")
            return self.roots[header.root]
        machine, epoch = header.machine, header.key_epoch
        if (machine, epoch) not in self.data_keys:
            name = f"m/{machine.hex()}/keys/{epoch:012d}"
            key = self.open(name, sealed.DATA_KEY, machine, epoch).message(DATA_KEY).key
            check(len(key) == 32, name, "holds no key")
            self.data_keys[machine, epoch] = key
        return self.data_keys[machine, epoch]

    def find(self, name: str, kind: int, machine: bytes, number: int = 0) -> sealed.SealedObject | None:
        """The object, authenticated, and the one that the name says; None when it does not exist."""
        data = self.store.get(name)
        if data is None:
            return None
        header = sealed.parse_header(name, data)
        check(header.vault == self.id, name, "belongs to another vault")
        check(header.kind == kind and header.machine == machine and header.number == number, name, "is an object of another name")
        check((header.root > 0) == (kind in (sealed.VAULT, sealed.DATA_KEY, sealed.HOLDERS)), name, "is sealed under a key of another sort")
        return sealed.SealedObject(name, data, self._key)

    def open(self, name: str, kind: int, machine: bytes, number: int = 0) -> sealed.SealedObject:
        found = self.find(name, kind, machine, number)
        if found is None:
            raise Missing(name)
        return found

    def open_reference(self, directory: str, kind: int, machine: bytes, ref) -> sealed.SealedObject:
        """An object that a catalogue, history or run refers to: with the tag and size that the reference says."""
        check(ref is not None and len(ref.id) == 16, f"m/{machine.hex()}/{directory}/", "is referred to without an id")
        found = self.open(f"m/{machine.hex()}/{directory}/{ref.id.hex()}", kind, machine)
        check(found.tag == ref.tag and len(found.data) == ref.size, found.name, "is not the object that is referred to")
        return found

    def machines(self) -> dict[bytes, str]:
        names = (name for name in self.store.list("machines/") if re.fullmatch(r"machines/[0-9a-f]{32}", name))
        ids = (bytes.fromhex(name.rsplit("/", 1)[1]) for name in names)
        return {id: self.open(f"machines/{id.hex()}", sealed.MACHINE, id).message(MACHINE).name for id in ids}
