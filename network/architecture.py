"""What a network is made of, before any number of it is known."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, fields
from typing import Any

from network.activations import ACTIVATIONS

__all__ = ["MAX_MEMBERS", "Architecture", "Layer"]

MAX_UNITS = 2**20
MAX_MEMBERS = 256


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
    """A stack of dense layers over ``inputs`` columns.

    With more than one of ``members``, an ensemble: as many networks of these layers, each with weights of its own, that
    answer with the mean of their answers (Lakshminarayanan et al., 2017, section 2.4).
    """

    inputs: int
    layers: tuple[Layer, ...]
    members: int = 1

    def __post_init__(self) -> None:
        if not _is_count(self.inputs):
            raise ValueError(f"inputs: expected a whole number from 1 to {MAX_UNITS}, found {self.inputs!r}")
        if not self.layers:
            raise ValueError("layers: expected at least one")
        if not _is_count(self.members, MAX_MEMBERS):
            raise ValueError(f"members: expected a whole number from 1 to {MAX_MEMBERS}, found {self.members!r}")
        if self.layers[-1].dropout:
            raise ValueError(f"layers.{len(self.layers) - 1}.dropout: expected 0 for the last layer")

    @property
    def outputs(self) -> int:
        """The units of the last layer."""
        return self.layers[-1].units

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name every parameter with its shape, in the order of the flat vector; members come before the other axes."""
        shapes: dict[str, tuple[int, ...]] = {}
        members = () if self.members == 1 else (self.members,)
        fan_in = self.inputs
        for index, layer in enumerate(self.layers):
            shapes[f"layers.{index}.W"] = (*members, fan_in, layer.units)
            if layer.bias:
                shapes[f"layers.{index}.b"] = (*members, layer.units)
            fan_in = layer.units
        return shapes

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain JSON values; ``members`` only where there is more than one."""
        several = {} if self.members == 1 else {"members": self.members}
        return {"inputs": self.inputs, "layers": [asdict(layer) for layer in self.layers], **several}

    @classmethod
    def from_dict(cls, mapping: object) -> "Architecture":
        """Read what ``to_dict`` wrote; a ValueError names the place of anything else."""
        values = _exactly(mapping, {"inputs", "layers"}, "architecture", optional={"members"})
        if not isinstance(values["layers"], list):
            raise ValueError("architecture.layers: expected a list")  # noqa: TRY004
        layers = tuple(_layer(value, f"architecture.layers.{index}") for index, value in enumerate(values["layers"]))
        try:
            return cls(values["inputs"], layers, values.get("members", 1))
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


def _exactly(value: object, keys: set[str], place: str, optional: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not keys <= set(value) <= keys | optional:
        raise ValueError(f"{place}: expected an object with the keys {', '.join(sorted(keys))}")
    return dict(value)


def _is_count(value: object, most: int = MAX_UNITS) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
