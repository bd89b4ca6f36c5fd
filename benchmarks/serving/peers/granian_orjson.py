"""A bare ASGI function with orjson and NumPy, for granian."""

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import orjson
from arrays import answer

HEADERS = [(b"content-type", b"application/json")]


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer every row of a request, whatever its path."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    labels, A = answer(np.asarray(orjson.loads(body)["instances"], dtype=np.float32))
    found = orjson.dumps({"predictions": labels, "probabilities": A}, option=orjson.OPT_SERIALIZE_NUMPY)
    length = (b"content-length", str(len(found)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": found})
