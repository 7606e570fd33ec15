"""A vault: its keys, its machines, its objects by name."""

import re

from .errors import check, Missing, Refused
from .keys import unwrap_root_key
from .messages import DATA_KEY, MACHINE, VAULT
from . import sealed

NO_MACHINE = bytes(16)


class Vault:
    def __init__(self, store, key: bytes | str):
        self.store = store
        data = store.get("vault")
        check(data is not None, "vault", "is missing: this is no vault")
        self.id = sealed.parse_header("vault", data).vault
        self.root = unwrap_root_key(store, self.id, key)
        self.data_keys: dict[tuple[bytes, int], bytes] = {}
        records = self.open("vault", sealed.VAULT, NO_MACHINE).message(VAULT)
        self.name, self.created = records.name, records.created

    def _key(self, machine: bytes, epoch: int) -> bytes:
        if epoch == 0:
            return self.root
        if (machine, epoch) not in self.data_keys:
            name = f"m/{machine.hex()}/keys/{epoch:012d}"
            found = self.open(name, sealed.DATA_KEY, machine, epoch)
            check(found.header.key_epoch == 0, name, "is not sealed under the root key")
            key = found.message(DATA_KEY).key
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
        check((header.key_epoch == 0) == (kind in (sealed.VAULT, sealed.DATA_KEY)), name, "is sealed under a key of another sort")
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
