"""An ONNX graph on its way."""

from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from training.exchange.needs import library

__all__ = ["Graph"]


class Graph:
    """Nodes, constants and inputs, each under a name that no column of the model has."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._helper = library("onnx.helper")
        self._numpy = library("onnx.numpy_helper")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self._taken = set(taken)
        self._prefix = "ganglion/"
        while any(name.startswith(self._prefix) for name in self._taken):
            self._prefix = "_" + self._prefix

    def free(self, name: str) -> str:
        """Return the name, or one made of it that no column has."""
        while name in self._taken:
            name = "output_" + name
        return name

    def add(self, operator: str, *values: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = output or f"{self._prefix}{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(operator, list(values), [name], **attributes))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Add an array and return its name; text is an array of objects."""
        name = f"{self._prefix}constant/{len(self.constants)}"
        self.constants.append(self._numpy.from_array(array, name))
        return name

    def cast(self, value: str, kind: int, **options: Any) -> str:
        """Convert to a type, one of those of `onnx.TensorProto`."""
        return self.add("Cast", value, to=kind, **options)

    def input(self, name: str, kind: int, width: int) -> str:
        """Add an input of (rows, width)."""
        self.inputs.append(self.value(name, kind, ["rows", width]))
        return name

    def value(self, name: str, kind: int, shape: Sequence[str | int]) -> Any:
        """Describe a value by its type and shape."""
        return self._helper.make_tensor_value_info(name, kind, shape)
