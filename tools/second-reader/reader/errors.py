"""What can be wrong with a vault. Every message begins with the name of the object."""


class Refused(Exception):
    """The object is there, and must not be used."""

    def __init__(self, name: str, why: str):
        super().__init__(f"{name}: {why}")
        self.name = name


class Missing(Refused):
    """Something refers to an object, and it is not there."""

    def __init__(self, name: str):
        super().__init__(name, "is missing")


def check(condition: bool, name: str, why: str) -> None:
    """Refuses the object `name` unless the condition holds."""
    if not condition:
        raise Refused(name, why)
