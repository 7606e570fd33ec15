"""From a passphrase or a key file to the root keys (page: "Keys")."""

import hashlib
import hmac
import re
import struct
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .errors import check, Refused
from .sealed import hkdf, KEY_SLOT

PASSPHRASE, KEY_FILE = 1, 2


def parse_key_file(name: str, text: str) -> bytes:
    match = re.fullmatch(r"holdfast-key-1:([0-9a-f]{64}):([0-9a-f]{8})", text.strip().lower())
    check(match is not None, name, "is no key file")
    secret = bytes.fromhex(match[1])
    check(hashlib.sha256(secret).hexdigest()[:8] == match[2], name, "is a key file with a mistake in it")
    return secret


def _scrypt(name: str, slot: bytes, passphrase: str) -> bytes:
    log_n = slot[80]
    r, p = struct.unpack_from("<II", slot, 84)
    check(14 <= log_n <= 20 and 8 <= r <= 16 and 1 <= p <= 16 and (r << log_n) * 128 <= 1 << 30, name, "has scrypt parameters out of bounds")
    return Scrypt(slot[48:80], 32, 1 << log_n, r, p).derive(unicodedata.normalize("NFKC", passphrase).encode())


def open_slot(name: str, slot: bytes, vault: bytes, key: bytes | str) -> bytes | None:
    """The root key that it wraps; None when the slot is another holder's. `key`: the bytes of a key file, or a passphrase."""
    check(len(slot) >= 208 and slot[:8] == b"HOLDFAST", name, "is no key slot")
    remote = slot[176:-32]
    check(len(remote) == struct.unpack_from("<I", slot, 92)[0] <= 4096, name, "has another length than it says")
    check(hashlib.sha256(slot[:-32]).digest() == slot[-32:], name, "is damaged")
    version, kind, slot_type = struct.unpack_from("<HBB", slot, 8)
    check(version == 1 and kind == KEY_SLOT, name, f"has version {version} and kind {kind}")
    check(slot[16:32] == vault and slot[32:48].hex() == name.rsplit("/", 1)[-1], name, "is the slot of something else")
    if slot_type != (PASSPHRASE if isinstance(key, str) else KEY_FILE):
        return None
    secret = _scrypt(name, slot, key) if isinstance(key, str) else key
    k = hkdf(secret, slot[48:80], b"holdfast key slot v1" + slot[16:48], 64)
    if not hmac.compare_digest(k[32:], slot[96:128]):
        return None
    try:
        return AESGCM(k[:32]).decrypt(bytes(12), slot[128:176], slot[:128] + remote)
    except InvalidTag:
        raise Refused(name, "commits to the key and does not open with it") from None


def slots_of(store, vault: bytes, key: bytes | str):
    """What the key opens: (slot id, which root key, the root key), one after another. Raises when it opens none."""
    damaged, opened = None, False
    for name in store.list("keys/"):
        if not re.fullmatch(r"keys/[0-9a-f]{32}", name):
            continue
        slot = store.get(name) or b""
        try:
            root = open_slot(name, slot, vault, key)
        except Refused as error:
            damaged = error
            continue
        if root is not None:
            opened = True
            yield slot[32:48], struct.unpack_from("<I", slot, 12)[0] or 1, root
    if not opened:
        raise damaged or Refused("keys/", "has no slot that this key opens")
