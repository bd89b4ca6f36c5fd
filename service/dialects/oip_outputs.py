"""The outputs that an infer request asks for, and their two forms: values, or the likeliest classes as text."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from predictor.wording import kind_of, shown
from service.bodies.answers import Outputs
from service.dialects.oip_tensors import check_unshared, packed, packed_texts
from service.dialects.tensors import PROBABILITIES, Tensor, outputs_of, value_of
from service.problems import one_fault
from service.versions.catalog import Served

__all__ = ["Wanted", "read_wanted", "written"]

TOP = "classification"


class Wanted(NamedTuple):
    """One output, as JSON or as bytes; with `top`, that many of the likeliest classes of each row instead."""

    tensor: Tensor
    is_binary: bool
    top: int = 0


def read_wanted(document: Mapping[str, Any], served: Served) -> tuple[Wanted, ...]:
    """Read which outputs a request asks for, by default all; Problem 400 names what is wrong."""
    is_binary = _flag(_parameters(document, ""), "binary_data_output", "", is_usual=False)
    known = {tensor.name: tensor for tensor in outputs_of(served)}
    named = document.get("outputs")
    if named is None or named == []:
        return tuple(Wanted(tensor, is_binary) for tensor in known.values())
    if not isinstance(named, list) or len(named) > len(known):
        raise one_fault(400, "/outputs", "outputs", f"expected a list of at most {len(known)} outputs")
    wanted: list[Wanted] = []
    for index, item in enumerate(named):
        place = f"/outputs/{index}"
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name not in known:
            found = shown(name) if isinstance(name, str) else kind_of(item)
            detail = f"expected one of {', '.join(known)}, found {found}"
            raise one_fault(400, f"{place}/name", "outputs", detail)
        parameters = _parameters(item, place)
        check_unshared(parameters, f"{place}/parameters")
        binary = _flag(parameters, "binary_data", place, is_usual=is_binary)
        wanted.append(Wanted(known[name], binary, _top(parameters, name, place)))
    return tuple(wanted)


def written(wanted: Iterable[Wanted], outputs: Outputs) -> tuple[list[dict[str, Any]], list[bytes | memoryview]]:
    """Return the description of each output, with its values where they are JSON, and the bytes of the others."""
    rows = len(outputs.values)
    described: list[dict[str, Any]] = []
    parts: list[bytes | memoryview] = []
    for tensor, is_binary, top in wanted:
        classes = _likeliest(outputs, top) if top else None
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": [rows, *tensor.shape[1:]]}
        if classes is not None:
            entry |= {"datatype": "BYTES", "shape": [rows, len(classes) // rows]}
        if is_binary:
            parts.append(packed(tensor, outputs) if classes is None else b"".join(packed_texts(classes)))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            value = value_of(tensor, outputs) if classes is None else classes
            entry["data"] = value.ravel() if isinstance(value, np.ndarray) else value
        described.append(entry)
    return described, parts


def _likeliest(outputs: Outputs, top: int) -> list[str]:
    """Return score, index and label of each row's likeliest classes, best first, as Triton's extension writes them."""
    scores = np.asarray(outputs.probabilities)
    labels = outputs.classes or ()
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [f"{row[i]:f}:{i}:{labels[i]}" for row, order in zip(scores, best, strict=True) for i in order]


def _parameters(value: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    parameters = value.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise one_fault(400, f"{place}/parameters", "type", f"expected an object, found {kind_of(parameters)}")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, place: str, *, is_usual: bool) -> bool:
    flag = parameters.get(name, is_usual)
    if not isinstance(flag, bool):
        raise one_fault(400, f"{place}/parameters/{name}", "type", f"expected true or false, found {kind_of(flag)}")
    return flag


def _top(parameters: Mapping[str, Any], name: str, place: str) -> int:
    top = parameters.get(TOP, 0)
    if type(top) is not int or top < 0:
        raise one_fault(400, f"{place}/parameters/{TOP}", "type", "expected a whole number of classes")
    if top and name != PROBABILITIES:
        detail = f"expected the output {PROBABILITIES}, which alone has classes to choose from, found {shown(name)}"
        raise one_fault(400, f"{place}/parameters/{TOP}", "outputs", detail)
    return top
