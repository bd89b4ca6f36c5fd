"""A loss, an optimizer, a schedule or an initializer in a recipe: its name and its options, typed by its own fields."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from network import INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES
from predictor.wording import hint, shown

__all__ = ["Choice", "InitializerChoice", "LossChoice", "OptimizerChoice", "ScheduleChoice"]


class Choice(BaseModel):
    """A name from `registry` with options: ``"adam"`` or ``{name = "adam", learning_rate = 0.01}``.

    Options are checked against the fields of the dataclass that the registry gives for the name.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)
    registry: ClassVar[Mapping[str, Any]] = {}

    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = sorted(self.registry)
        if self.name not in self.registry:
            raise PydanticCustomError(
                "name",
                "unknown name {name}{near}",
                {"name": shown(self.name), "near": hint(self.name, known) or f"; known: {', '.join(known)}"},
            )
        names = [option.name for option in fields(self.registry[self.name]) if option.init]
        for key in self.__pydantic_extra__ or {}:
            if key not in names:
                near = hint(key, names) or f"; its options: {', '.join(names) or 'none'}"
                message = "unknown option {key} of {name}{near}"
                raise PydanticCustomError("option", message, {"key": shown(key), "name": self.name, "near": near})
        self._made()
        return self

    def make(self) -> Any:
        """Return the loss, optimizer, schedule or initializer itself."""
        return self._made()

    def _made(self) -> Any:
        try:
            # Through JSON, where strict typing takes an object for a dataclass and still no text for a number.
            return TypeAdapter(self.registry[self.name]).validate_json(json.dumps(self.__pydantic_extra__), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            text = "{name}: {place}{message}"
            found = {"name": self.name, "place": f"{place}: " if place else "", "message": first["msg"]}
            raise PydanticCustomError("option", text, found) from error


class LossChoice(Choice):
    """One of the losses of `network`."""

    registry: ClassVar[Mapping[str, Any]] = LOSSES


class OptimizerChoice(Choice):
    """One of the optimizers of `network`."""

    registry: ClassVar[Mapping[str, Any]] = OPTIMIZERS


class ScheduleChoice(Choice):
    """One of the learning-rate schedules of `network`."""

    registry: ClassVar[Mapping[str, Any]] = SCHEDULES


class InitializerChoice(Choice):
    """One of the initializers of `network`."""

    registry: ClassVar[Mapping[str, Any]] = INITIALIZERS
