"""What tritonclient's asyncio client makes of the service, as JSON."""

import asyncio
import json
import sys
from typing import Any

import numpy as np
import tritonclient.http.aio as triton
from tritonclient.utils import InferenceServerException

address, rows = sys.argv[1], json.loads(sys.argv[2])
X = np.array(rows, np.float32)


def tensor(name: str, values: Any, datatype: str, *, is_binary: bool) -> Any:
    found = triton.InferInput(name, values.shape, datatype)
    return found.set_data_from_numpy(values, binary_data=is_binary)


def outputs(result: Any) -> dict[str, Any]:
    labels = [text.decode() if isinstance(text, bytes) else text for text in result.as_numpy("label")]
    return {"label": labels, "probabilities": result.as_numpy("probabilities").tolist()}


async def fault(call: Any) -> str:
    try:
        await call
    except InferenceServerException as error:
        return str(error)
    return "none"


async def main() -> dict[str, Any]:
    async with triton.InferenceServerClient(address) as client:
        asked = []
        for is_binary in (True, False):
            given = [tensor("input", X, "FP32", is_binary=is_binary)]
            wanted = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("probabilities", "label")]
            asked += [client.infer("flowers", given), client.infer("flowers", given, outputs=wanted)]
            asked.append(client.infer("flowers", given, request_compression_algorithm="gzip"))
            many = [tensor("input", np.tile(X, (100, 1)), "FP32", is_binary=is_binary)]
            asked.append(client.infer("flowers", many, response_compression_algorithm="gzip"))
            asked.append(client.infer("flowers", many))
        answers = [outputs(result) for result in await asyncio.gather(*asked)]
        answers = [{name: values[-len(X) :] for name, values in answer.items()} for answer in answers]
        columns = [
            tensor("area", np.array([80.0, 90.0]), "FP64", is_binary=False),
            tensor("street", np.array(["paved", "gravel"], dtype=object), "BYTES", is_binary=False),
            tensor("roof", np.array([["1"], ["flat"]], dtype=object), "BYTES", is_binary=False),
        ]
        ready = [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready("flowers")]
        version = await client.infer("flowers", given, model_version="2")
        return {
            "ready": [*ready, await client.is_model_ready("flowers", "2")],
            "metadata": await client.get_model_metadata("flowers"),
            "index": await client.get_model_repository_index(),
            "counted": (await client.get_inference_statistics("flowers"))["model_stats"][1]["inference_count"],
            "answers": answers,
            "version": version.get_response()["model_version"],
            "houses": (await client.infer("houses", columns)).as_numpy("predictions").tolist(),
            "faults": [await fault(client.infer("nope", given)), await fault(client.infer("houses", columns[:1]))],
        }


print(json.dumps(asyncio.run(main())))  # noqa: T201
