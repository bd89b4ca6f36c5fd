"""What KServe's client makes of the service by version 2 of its protocol, as JSON."""

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

url, rows = f"http://{sys.argv[1]}", json.loads(sys.argv[2])


def request(values: Any, *, is_binary: bool) -> Any:
    given = InferInput(name="input-0", shape=list(values.shape), datatype="FP32")
    given.set_data_from_numpy(values, binary_data=is_binary)
    return InferRequest(model_name="flowers", infer_inputs=[given])


def outputs(answer: Any) -> dict[str, Any]:
    found = {output.name: output.as_numpy() for output in answer.outputs}
    labels = [text.decode() if isinstance(text, bytes) else str(text) for text in found["label"]]
    return {"label": labels, "probabilities": found["probabilities"].tolist()}


async def main() -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    X = np.array(rows, np.float32)
    answers = [await client.infer(url, request(X, is_binary=b), model_name="flowers") for b in (True, False)]
    try:
        await client.infer(url, request(X[:, :3], is_binary=True), model_name="flowers")
        fault = "none"
    except httpx.HTTPStatusError as error:
        fault = str(error)
    return {
        "live": await client.is_server_live(url),
        "server_ready": await client.is_server_ready(url),
        "ready": await client.is_model_ready(url, "flowers"),
        "unknown": await client.is_model_ready(url, "nope"),
        "answers": [outputs(answer) for answer in answers],
        "fault": fault,
    }


print(json.dumps(asyncio.run(main())))  # noqa: T201
