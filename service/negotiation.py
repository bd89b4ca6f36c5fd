"""What a body is said to be and what answer is wanted: Content-Type, Content-Encoding, Accept."""

import zlib
from collections.abc import Mapping, Sequence

from service.problems import Problem
from service.router import media_type

__all__ = ["check_accept", "check_content_type", "decoded"]

GZIP_WINDOW = 31  # 15 bits, and 16 to expect a gzip header


def check_content_type(value: str, consumes: Sequence[str]) -> None:
    """Refuse with 415 a body of another type, or in another charset than UTF-8."""
    kind, parameters = media_type(value)
    charset = parameters.pop("charset", "utf-8")
    if kind not in consumes or parameters or charset not in ("utf-8", "utf8"):
        raise Problem(415, f"Expected a body of type {' or '.join(consumes)}, in UTF-8.")


def check_accept(value: str, produces: Sequence[str]) -> None:
    """Refuse with 406 when none of the types a route produces is accepted."""
    accepted = dict(map(media_type, value.split(",")))
    for kind in (media_type(name)[0] for name in produces):
        for wanted in (kind, kind.partition("/")[0] + "/*", "*/*"):
            if wanted in accepted:
                if _quality(accepted[wanted]) > 0:
                    return
                break  # the most specific range decides
    raise Problem(406, f"This route answers with {' or '.join(produces)} only.")


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the Content-Encoding of a body: 415 for any but gzip, 413 beyond `limit` bytes, 400 for damaged data."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Problem(415, "Expected no Content-Encoding, or gzip.", headers=[("accept-encoding", "gzip")])
    inflater = zlib.decompressobj(GZIP_WINDOW)
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, "The body is not valid gzip data.") from error
    if len(content) > limit:
        raise Problem(413, f"The body is longer than {limit} bytes after decompression.")
    if not inflater.eof or inflater.unused_data:
        raise Problem(400, "The body is not one complete piece of gzip data.")
    return content
