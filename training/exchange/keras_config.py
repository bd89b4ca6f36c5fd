"""What Keras says of a Sequential model: the activation behind each Dense layer."""

import json
from typing import Any

from predictor.wording import shown

__all__ = ["sequential_activations"]

INERT = {
    "InputLayer",
    "Dropout",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
    "Flatten",
}
LAYERS = {"ReLU": "relu", "Softmax": "softmax", "ELU": "elu", "LeakyReLU": "leaky_relu"}
OPTIONS: dict[str, dict[str, Any]] = {
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    "Softmax": {"axis": -1},
    "ELU": {"alpha": 1.0},
    "LeakyReLU": {"negative_slope": 0.01, "alpha": 0.01},
}
SAME = {"linear", "relu", "elu", "silu", "swish", "mish", "tanh", "sigmoid", "softmax", "exponential"}
OTHERWISE = {
    "gelu": "by the error function, where this project's is the tanh approximation",
    "leaky_relu": "with a slope of 0.2, where this project's has 0.01",
}


def sequential_activations(config: str | None, where: str) -> list[str]:
    """Return the activation behind each Dense layer, in order, by Keras's names.

    ``config`` is Keras's JSON. Raises ValueError for another model than a Sequential one of dense layers.
    """
    found: list[str] = []
    for layer in _layers(config, where):
        kind, options = str(layer.get("class_name")), layer.get("config") or {}
        name = str(options.get("name", kind))
        if kind == "Dense":
            found.append(_function(options.get("activation"), name, where))
        elif kind == "Activation":
            _follow(found, _function(options.get("activation"), name, where), name, where)
        elif kind in LAYERS:
            _check_options(kind, options, name, where)
            _follow(found, LAYERS[kind], name, where)
        elif kind not in INERT:
            raise ValueError(f"{where}: layer {shown(name)} is a {shown(kind)}, which cannot be imported")
    return found


def _layers(config: str | None, where: str) -> list[dict[str, Any]]:
    if config is None:
        raise ValueError(f"activations: {where} holds weights only; name one for each Dense layer")
    try:
        model = json.loads(config)
        layers = model["config"]["layers"]
        if model["class_name"] == "Sequential" and all(isinstance(layer["config"], dict) for layer in layers):
            return list(layers)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"activations: the description in {where} cannot be read; name one for each layer") from error
    raise ValueError(f"activations: {where} is no Sequential model, and does not say them; name one for each layer")


def _function(value: object, name: str, where: str) -> str:
    found = "linear" if value is None else value
    if isinstance(found, str) and found in SAME:
        return found
    why = f", {OTHERWISE[found]}" if isinstance(found, str) and found in OTHERWISE else ""
    told = shown(found) if isinstance(found, str) else "an object"
    raise ValueError(
        f"{where}: layer {shown(name)} has the activation {told}{why}: it has no equal here; "
        "activations=[...] imports the weights all the same"
    )


def _follow(found: list[str], activation: str, name: str, where: str) -> None:
    """Let an activation of its own be that of the Dense layer before it."""
    if not found or found[-1] != "linear":
        raise ValueError(f"{where}: layer {shown(name)} follows no Dense layer without an activation")
    found[-1] = activation


def _check_options(kind: str, options: dict[str, Any], name: str, where: str) -> None:
    for key, usual in OPTIONS[kind].items():
        if options.get(key, usual) != usual:
            raise ValueError(f"{where}: layer {shown(name)}: expected {key} {usual}, found {options[key]!r}")
