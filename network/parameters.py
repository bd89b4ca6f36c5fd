"""Parameters by name, all of them views on one flat contiguous vector."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import DTypeLike, NDArray

from network.architecture import Architecture
from network.errors import ShapeError

__all__ = ["Parameters"]

Array = NDArray[np.floating]


class Parameters(Mapping[str, Array]):
    """Named arrays such as ``layers.0.W`` (fan_in, fan_out) and ``layers.0.b`` (fan_out,) over one vector ``flat``.

    An optimizer works on ``flat`` and so costs the same few vector operations whatever the depth. Gradients and
    optimizer state take the same form.
    """

    __slots__ = ("_views", "flat", "shapes")

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], flat: Array) -> None:
        self.shapes = dict(shapes)
        self.flat = flat
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape))
            self._views[name] = flat[start : start + size].reshape(shape)
            start += size

    @classmethod
    def zeros(cls, architecture: Architecture, dtype: DTypeLike = np.float32) -> "Parameters":
        """Return all parameters of an architecture as zeros."""
        shapes = architecture.shapes()
        return cls(shapes, np.zeros(sum(int(np.prod(shape)) for shape in shapes.values()), dtype))

    @classmethod
    def from_arrays(cls, architecture: Architecture, arrays: Mapping[str, Array]) -> "Parameters":
        """Copy named arrays into one vector; a ShapeError names the first that is missing, extra or misshapen."""
        shapes = architecture.shapes()
        for name in [*shapes, *arrays]:
            expected, actual = shapes.get(name), arrays[name].shape if name in arrays else None
            if expected != actual:
                raise ShapeError(name, expected="no such array" if expected is None else str(expected), actual=actual)
        dtype = np.result_type(*arrays.values())
        return cls(shapes, np.concatenate([np.asarray(arrays[name], dtype).ravel() for name in shapes]))

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The type of every number."""
        return self.flat.dtype

    def copy(self) -> "Parameters":
        """Return the same parameters over a vector of their own."""
        return Parameters(self.shapes, self.flat.copy())

    def weights(self) -> list[Array]:
        """Return the weight matrices, which decay and penalties act on, without the biases."""
        return [array for name, array in self.items() if name.endswith(".W")]

    def like(self) -> "Parameters":
        """Return zeros of the same names, shapes and type."""
        return Parameters(self.shapes, np.zeros_like(self.flat))

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)
