"""Parameters by name, all of them views on one flat contiguous vector."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import DTypeLike, NDArray

from network.architecture import Architecture
from network.errors import ShapeError
from network.tape import aligned

__all__ = ["Parameters"]

Array = NDArray[np.floating]


class Parameters(Mapping[str, Array]):
    """Named arrays such as ``layers.0.W`` (fan_in, fan_out) and ``layers.0.b`` (fan_out,) over one vector ``flat``.

    An optimizer works on ``flat`` and so costs the same few vector operations whatever the depth. Gradients and
    optimizer state take the same form. ``dense`` holds one array a layer, (fan_in + 1, fan_out): W with b as its last
    row, or (fan_in, fan_out) without a bias; inputs with a last column of ones are multiplied by both at once.
    An ensemble's arrays have its members before these axes.
    """

    __slots__ = ("_views", "dense", "flat", "shapes")

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], flat: Array) -> None:
        self.shapes = dict(shapes)
        self.flat = flat
        self.dense: list[Array] = []
        self._views: dict[str, Array] = {}
        start = 0
        for name, (*members, fan_in, fan_out) in ((name, shape) for name, shape in shapes.items() if _is_weight(name)):
            bias = f"{name[:-1]}b"
            shape = (*members, fan_in + (bias in shapes), fan_out)
            dense = flat[start : start + math.prod(shape)].reshape(shape)
            start += dense.size
            self.dense.append(dense)
            self._views[name] = dense[..., :fan_in, :]
            if bias in shapes:
                self._views[bias] = dense[..., fan_in, :]

    @classmethod
    def zeros(cls, architecture: Architecture, dtype: DTypeLike = np.float32) -> "Parameters":
        """Return all parameters of an architecture as zeros."""
        shapes = architecture.shapes()
        return cls(shapes, aligned(sum(map(math.prod, shapes.values())), dtype))

    @classmethod
    def from_arrays(cls, architecture: Architecture, arrays: Mapping[str, Array]) -> "Parameters":
        """Copy named arrays into one vector; a ShapeError names the first that is missing, extra or misshapen."""
        shapes = architecture.shapes()
        for name in [*shapes, *arrays]:
            expected, actual = shapes.get(name), arrays[name].shape if name in arrays else None
            if expected != actual:
                raise ShapeError(name, expected="no such array" if expected is None else str(expected), actual=actual)
        made = cls.zeros(architecture, np.result_type(*arrays.values()))
        for name, array in arrays.items():
            np.copyto(made[name], array)
        return made

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The type of every number."""
        return self.flat.dtype

    @property
    def members(self) -> int:
        """How many networks these are the parameters of."""
        return 1 if self.dense[0].ndim == 2 else len(self.dense[0])  # noqa: PLR2004 - one matrix a layer

    def copy(self) -> "Parameters":
        """Return the same parameters over a vector of their own."""
        copied = self.like()
        np.copyto(copied.flat, self.flat)
        return copied

    def read_only(self) -> "Parameters":
        """Return the same numbers, over the same vector, as they will stay: to write them is an error.

        A network that only answers keeps what it has made of them.
        """
        flat = self.flat.view()
        flat.flags.writeable = False
        return Parameters(self.shapes, flat)

    def weights(self) -> list[Array]:
        """Return the weight matrices, which decay and penalties act on, without the biases."""
        return [array for name, array in self.items() if _is_weight(name)]

    def like(self) -> "Parameters":
        """Return zeros of the same names, shapes and type."""
        return Parameters(self.shapes, aligned(self.flat.size, self.dtype))

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)


def _is_weight(name: str) -> bool:
    return name.endswith(".W")
