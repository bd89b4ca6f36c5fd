"""A model as an ONNX file: raw columns in, predictions out, proven on the golden rows before it is written."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from predictor import ClassOutputs, NumberOutputs, Predictor, load
from training.exchange.needs import library
from training.exchange.onnx_columns import encoded, feeds
from training.exchange.onnx_graph import Graph
from training.exchange.onnx_layers import layers

__all__ = ["onnx_bytes", "to_onnx"]

OPSET = 20
"""The first with GELU; onnxruntime reads it from release 1.17 on."""
IR_VERSION = 9
TOLERANCE = 1e-4
HALF = 0.5


def to_onnx(model: Any, path: str | Path) -> Path:
    """Write a model as an ONNX file, and return its path.

    ``model`` is a model file, a `predictor.Predictor`, or a fitted estimator or pipeline that `from_sklearn` takes. See
    docs/exchange.md for the inputs and outputs of the graph. Raises ValueError for a model that ONNX has no words for,
    ArtifactError for a model file that cannot be read, OSError for a path that cannot be written, and ImportError
    without the extra `exchange`.
    """
    path = Path(path)
    data = onnx_bytes(_predictor(model))
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)  # noqa: PTH105 - it says that it replaces
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def onnx_bytes(predictor: Predictor) -> bytes:
    """Return a predictor as an ONNX file's bytes, checked, and proven on its golden rows. See `to_onnx`."""
    model = _model(predictor)
    library("onnx.checker").check_model(model, full_check=True)
    _prove(model, predictor)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _predictor(model: Any) -> Predictor:
    if isinstance(model, Predictor):
        return model
    if isinstance(model, str | Path):
        return load(Path(model))
    from training.estimators.serving import from_sklearn  # noqa: PLC0415 - model files need none of it

    return from_sklearn(model)


def _model(predictor: Predictor) -> Any:
    helper, types = library("onnx.helper"), library("onnx").TensorProto
    graph = Graph(() if predictor.schema.is_numeric else predictor.schema.names)
    A = layers(graph, predictor.network, encoded(graph, predictor.schema, types))
    outputs = predictor.outputs
    if isinstance(outputs, ClassOutputs):
        found = _classes(graph, outputs, A, predictor.network.architecture.outputs, types)
    else:
        found = _values(graph, outputs, A, types)
    made = helper.make_graph(graph.nodes, "ganglion", graph.inputs, found, initializer=graph.constants)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="ganglion"
    )
    helper.set_model_props(model, _about(predictor))
    return model


def _about(predictor: Predictor) -> dict[str, str]:
    outputs = predictor.outputs
    about: dict[str, Any] = {"features": list(predictor.schema.names), "lineage": dict(predictor.lineage)}
    if isinstance(outputs, ClassOutputs):
        about |= {"target": outputs.target, "classes": list(outputs.labels)}
    else:
        about |= {"targets": list(outputs.targets)}
    return {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}


def _classes(graph: Graph, outputs: ClassOutputs, A: str, width: int, types: Any) -> list[Any]:
    """Add the label of each row, (rows,), and the probabilities, (rows, classes), where the outputs are such."""
    is_whole = all(isinstance(label, int) for label in outputs.labels)
    labels = np.array(outputs.labels, np.int64) if is_whole else np.array([str(it) for it in outputs.labels], object)
    if width == 1:
        codes = graph.cast(graph.add("Greater", A, graph.constant(np.array([HALF], np.float32))), types.INT64)
        codes = graph.add("Squeeze", codes, graph.constant(np.array([1])))
        A = graph.add("Concat", graph.add("Sub", graph.constant(np.array([1], np.float32)), A), A, axis=1)
    else:
        codes = graph.add("ArgMax", A, axis=1, keepdims=0)
    label = graph.add("Gather", graph.constant(labels), codes, output=graph.free("predictions"))
    found = [graph.value(label, types.INT64 if is_whole else types.STRING, ["rows"])]
    if outputs.has_probabilities:
        probabilities = graph.add("Identity", A, output=graph.free("probabilities"))
        found.append(graph.value(probabilities, types.FLOAT, ["rows", len(outputs.labels)]))
    return found


def _values(graph: Graph, outputs: NumberOutputs, A: str, types: Any) -> list[Any]:
    """Add the values in the target's own units, (rows,), or (rows, targets) for several."""
    scaled = graph.add("Mul", graph.cast(A, types.DOUBLE), graph.constant(np.array(outputs.scale)))
    values = graph.add("Add", scaled, graph.constant(np.array(outputs.offset)))
    if outputs.low:
        values = graph.add("Max", values, graph.constant(np.array(outputs.low)))
        values = graph.add("Min", values, graph.constant(np.array(outputs.high)))
    values = graph.cast(values, types.FLOAT)
    name = graph.free("predictions")
    if len(outputs.targets) > 1:
        return [graph.value(graph.add("Identity", values, output=name), types.FLOAT, ["rows", len(outputs.targets)])]
    graph.add("Squeeze", values, graph.constant(np.array([1])), output=name)
    return [graph.value(name, types.FLOAT, ["rows"])]


def _prove(model: Any, predictor: Predictor) -> None:
    """Compute the golden rows by ONNX's own reference; ValueError unless they come out as the model has them."""
    evaluator = library("onnx.reference").ReferenceEvaluator(model)
    with np.errstate(over="ignore", invalid="ignore"):
        found = evaluator.run(None, feeds(predictor.schema, predictor.golden.rows))[-1]
    outputs, golden = predictor.outputs, predictor.golden.outputs
    expected: Any = outputs.decode(golden)
    if isinstance(outputs, ClassOutputs):
        labels, probabilities = expected
        expected = np.array(labels).astype(str) if probabilities is None else probabilities
    if expected.dtype.kind != "f":
        is_right = np.array_equal(found.astype(str), expected)
    else:
        size = float(np.abs(expected).max())
        is_right = np.allclose(found.reshape(expected.shape), expected, rtol=TOLERANCE, atol=TOLERANCE * size)
    if not is_right:
        raise ValueError("the ONNX graph does not give the golden answers of the model: it cannot be exported")
