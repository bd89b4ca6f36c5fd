"""What a network is made of, before any number of it is known."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from network.activations import ACTIVATIONS

__all__ = ["Architecture", "Layer"]

MAX_UNITS = 2**20


@dataclass(frozen=True)
class Layer:
    """One dense layer: A = activation(X W + b), with inverted dropout of its outputs while training."""

    units: int
    activation: str = "relu"
    bias: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not _is_count(self.units):
            raise ValueError(f"units: expected a whole number from 1 to {MAX_UNITS}, found {self.units!r}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, found {self.activation!r}")
        if not isinstance(self.bias, bool):
            raise ValueError(f"bias: expected true or false, found {self.bias!r}")  # noqa: TRY004
        if not isinstance(self.dropout, float | int) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a fraction of at least 0 and under 1, found {self.dropout!r}")


@dataclass(frozen=True)
class Architecture:
    """A stack of dense layers over ``inputs`` columns; ``members`` of them side by side answer with their mean."""

    inputs: int
    layers: tuple[Layer, ...]
    members: int = 1

    def __post_init__(self) -> None:
        if not _is_count(self.inputs):
            raise ValueError(f"inputs: expected a whole number from 1 to {MAX_UNITS}, found {self.inputs!r}")
        if not self.layers:
            raise ValueError("layers: expected at least one")
        if self.layers[-1].dropout:
            raise ValueError(f"layers.{len(self.layers) - 1}.dropout: expected 0 for the last layer")

    @property
    def outputs(self) -> int:
        """The units of the last layer."""
        return self.layers[-1].units

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name every parameter with its shape, in the order of the flat vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        fan_in = self.inputs
        for index, layer in enumerate(self.layers):
            shapes[f"layers.{index}.W"] = (fan_in, layer.units)
            if layer.bias:
                shapes[f"layers.{index}.b"] = (layer.units,)
            fan_in = layer.units
        return shapes

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain JSON values."""
        return {"inputs": self.inputs, "layers": [asdict(layer) for layer in self.layers]}

    @classmethod
    def from_dict(cls, mapping: object) -> "Architecture":
        """Read what ``to_dict`` wrote; a ValueError names the place of anything else."""
        values = _exactly(mapping, {"inputs", "layers"}, "architecture")
        if not isinstance(values["layers"], list):
            raise ValueError("architecture.layers: expected a list")  # noqa: TRY004
        layers = tuple(_layer(value, f"architecture.layers.{index}") for index, value in enumerate(values["layers"]))
        try:
            return cls(values["inputs"], layers)
        except ValueError as error:
            raise ValueError(f"architecture.{error}") from error


def _layer(value: object, place: str) -> Layer:
    values = _exactly(value, {field.name for field in fields(Layer)}, place)
    try:
        return Layer(**values)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error
    except TypeError as error:
        raise ValueError(f"{place}.activation: expected a name") from error


def _exactly(value: object, keys: set[str], place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) != keys:
        raise ValueError(f"{place}: expected an object with the keys {', '.join(sorted(keys))}")
    return dict(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_UNITS
