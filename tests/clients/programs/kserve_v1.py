"""What KServe's client makes of the service by version 1 of its protocol, as JSON."""

import asyncio
import json
import sys
from typing import Any

import httpx
from kserve import InferenceRESTClient
from kserve.inference_client import RESTConfig

url, rows = f"http://{sys.argv[1]}", json.loads(sys.argv[2])


async def main() -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    try:
        await client.infer(url, {"instances": [[1]]}, model_name="flowers")
        fault = "none"
    except httpx.HTTPStatusError as error:
        fault = str(error)
    answer = await client.infer(url, {"instances": rows}, model_name="flowers")
    explained = await client.explain(url, "flowers", {"instances": rows})
    return {
        "live": await client.is_server_live(url),
        "ready": await client.is_model_ready(url, "flowers"),
        "predictions": answer["predictions"],
        "explanations": explained["explanations"],
        "fault": fault,
    }


print(json.dumps(asyncio.run(main())))  # noqa: T201
