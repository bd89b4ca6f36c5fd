"""The floor: this service's own server and worker around the smallest ASGI function, which predicts nothing."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from service import server
from service.front import Front
from service.settings import load_settings

BODY = b'{"predictions":["c0"],"probabilities":[[0.3,0.3,0.4]]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


class Smallest:
    """Reads a request and answers always the same."""

    direct = None

    def tell_when_full(self, then: Callable[[], None]) -> None:
        """Never be full."""

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one request, or follow the server's start and end."""
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


class Floor(server.Service):
    """The service's own server, its application replaced."""

    def load(self) -> Front:
        """Load as ever, and serve something else."""
        super().load()
        return cast("Front", Smallest())


if __name__ == "__main__":
    server.Service = Floor  # type: ignore[misc] - what `serve` starts
    server.serve(load_settings(models=sys.argv[1], bind=sys.argv[2], workers=2))
