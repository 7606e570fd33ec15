"""Where objects are: a folder, or a dictionary for tests."""

import os


class FolderStore:
    def __init__(self, root: str):
        self.root = root

    def get(self, name: str) -> bytes | None:
        """The whole object, or None."""
        try:
            with open(os.path.join(self.root, name), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def list(self, prefix: str) -> list[str]:
        """The names below a prefix that ends with a slash, sorted. What begins with a dot is no object."""
        try:
            entries = os.scandir(os.path.join(self.root, prefix))
        except FileNotFoundError:
            return []
        with entries:
            return sorted(prefix + e.name for e in entries if e.is_file() and not e.name.startswith("."))


class MemoryStore:
    def __init__(self, objects: dict[str, bytes]):
        self.objects = objects

    def get(self, name: str) -> bytes | None:
        return self.objects.get(name)

    def list(self, prefix: str) -> list[str]:
        return sorted(n for n in self.objects if n.startswith(prefix) and "/" not in n[len(prefix):])
