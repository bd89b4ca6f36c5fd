"""What tritonclient's blocking client makes of the service, as JSON."""

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton

address, rows = sys.argv[1], json.loads(sys.argv[2])
X = np.array(rows, np.float32)


def tensor(name: str, values: Any, datatype: str, *, is_binary: bool) -> Any:
    found = triton.InferInput(name, values.shape, datatype)
    return found.set_data_from_numpy(values, binary_data=is_binary)


def outputs(result: Any) -> dict[str, Any]:
    labels = [text.decode() if isinstance(text, bytes) else text for text in result.as_numpy("label")]
    return {"label": labels, "probabilities": result.as_numpy("probabilities").tolist()}


def fault(call: Any) -> str:
    try:
        call()
    except triton.InferenceServerException as error:
        return str(error)
    return "none"


client = triton.InferenceServerClient(address)
answers = []
for is_binary in (True, False):
    given = [tensor("input", X, "FP32", is_binary=is_binary)]
    wanted = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("probabilities", "label")]
    answers += [outputs(client.infer("flowers", given)), outputs(client.infer("flowers", given, outputs=wanted))]
    packed = client.infer(
        "flowers", given, request_compression_algorithm="deflate", response_compression_algorithm="gzip"
    )
    answers.append(outputs(packed))
    many = [tensor("input", np.tile(X, (100, 1)), "FP32", is_binary=is_binary)]
    packed = client.infer("flowers", many, response_compression_algorithm="deflate")
    answers.append({name: values[-len(X) :] for name, values in outputs(packed).items()})
columns = [
    tensor("area", np.array([80.0, 90.0]), "FP64", is_binary=True),
    tensor("street", np.array(["paved", "gravel"], dtype=object), "BYTES", is_binary=True),
    tensor("roof", np.array([["1"], ["flat"]], dtype=object), "BYTES", is_binary=True),
]
classes = triton.InferRequestedOutput("probabilities", class_count=1)
best = client.infer("flowers", given, outputs=[classes]).as_numpy("probabilities")
ready = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("flowers")]
print(  # noqa: T201
    json.dumps(
        {
            "ready": [*ready, client.is_model_ready("flowers", "2")],
            "metadata": client.get_model_metadata("flowers"),
            "index": client.get_model_repository_index(),
            "counted": client.get_inference_statistics("flowers")["model_stats"][1]["inference_count"],
            "answers": answers,
            "best": [text.decode().rpartition(":")[2] for text in best[:, 0]],
            "version": client.infer("flowers", given, model_version="2").get_response()["model_version"],
            "houses": client.infer("houses", columns).as_numpy("predictions").tolist(),
            "faults": [
                fault(lambda: client.infer("nope", given)),
                fault(lambda: client.infer("houses", columns[:1])),
            ],
        }
    )
)
