#!/usr/bin/python3
"""Reads a vault in a folder, by docs/format.md alone.

    main.py --vault DIR (--key-file FILE | --passphrase-file FILE) list
    main.py … digest                            what every disk at every point is, as SHA-256
    main.py … restore MACHINE POINT DISK OUT    one disk at one point, into a new file

Answers are JSON on standard output, one object a line. Exit status 1 and one line on standard error when something must not be used.
"""

import argparse
import json
import os
import sys

from reader.digest import disk_digest
from reader.errors import Refused
from reader.keys import parse_key_file
from reader.machine import Machine
from reader.store import FolderStore
from reader.vault import Vault


def key(options) -> bytes | str:
    path = options.key_file or options.passphrase_file
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return parse_key_file(path, text) if options.key_file else text.rstrip("\n")


def tell_warnings(machine: Machine) -> bool:
    """Says what was stepped over; false when the log could not be read to its end."""
    for warning in machine.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if machine.log.damage:
        print(f"the log ends before its end: {machine.log.damage}", file=sys.stderr)
    return machine.log.damage is None


def each_point(options, vault: Vault, tell) -> bool:
    whole = True
    for id, name in vault.machines().items():
        machine = Machine(vault, id)
        whole = tell_warnings(machine) and whole
        head = machine.log.head
        print(json.dumps({"machine": id.hex(), "name": name, "head": head and {"sequence": head.sequence, "tag": head.tag.hex(), "term": head.term}}))
        for point in machine.points:
            disks = {member.disk.hex(): tell(machine, point, member.disk) for member in point.members}
            print(json.dumps({"machine": id.hex(), "point": point.id.hex(), "time": point.instant.time // 1_000_000, "disks": disks}))
    return whole


def size_only(machine: Machine, point, disk: bytes) -> dict:
    return {"size": machine.read_disk(point, disk)[0]}


def restore(options, vault: Vault) -> bool:
    machine = Machine(vault, bytes.fromhex(options.machine))
    whole = tell_warnings(machine)
    points = [point for point in machine.points if point.id.hex() == options.point]
    if not points:
        raise Refused(f"point {options.point}", "is not in the vault")
    size, pieces = machine.read_disk(points[0], bytes.fromhex(options.disk))
    with open(options.out, "xb") as out:
        try:
            for offset, length, content in pieces:
                if content is None:
                    raise Refused(f"point {options.point}", f"{length} bytes at {offset} could not be read at the source")
                os.pwrite(out.fileno(), content, offset)
            out.truncate(size)
        except BaseException:
            os.unlink(options.out)
            raise
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vault", required=True)
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--key-file")
    keys.add_argument("--passphrase-file")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list").set_defaults(run=lambda o, v: each_point(o, v, size_only))
    commands.add_parser("digest").set_defaults(run=lambda o, v: each_point(o, v, disk_digest))
    command = commands.add_parser("restore")
    for argument in ("machine", "point", "disk", "out"):
        command.add_argument(argument)
    command.set_defaults(run=restore)
    options = parser.parse_args()
    try:
        vault = Vault(FolderStore(options.vault), key(options))
        return 0 if options.run(options, vault) else 1
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
