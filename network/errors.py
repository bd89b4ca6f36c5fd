"""What the network refuses, in words that say where, what was expected and what was found."""


class ShapeError(ValueError):
    """An array whose shape does not fit the place it is meant for."""

    def __init__(self, name: str, *, expected: str, actual: object) -> None:
        super().__init__(f"{name}: expected shape {expected}, found {actual}")
        self.name = name


class DivergenceError(ArithmeticError):
    """A fit whose loss left the finite numbers; the message says when and what to change."""
