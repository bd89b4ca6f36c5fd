"""What a body is said to be and what answer is wanted: Content-Type, Content-Encoding, Accept."""

import zlib
from collections.abc import Mapping, Sequence

from predictor.wording import shown
from service.messages import media_type
from service.problems import Problem

__all__ = ["check_accept", "check_content_type", "chosen_encoding", "chosen_type", "decoded", "encoded", "found_type"]

FORM = "application/x-www-form-urlencoded"
FORM_HINT = ", which curl says by itself: add -H 'Content-Type: application/json'"
CSV = "text/csv"  # may say by header=present or absent whether it begins with names
GZIP = 31  # a window of 15 bits, and 16 to expect a gzip header
WINDOWS = {"gzip": GZIP, "deflate": 15}


def check_content_type(value: str, consumes: Sequence[str]) -> None:
    """Refuse with 415 a body of another type, or in another charset than UTF-8."""
    kind, parameters = media_type(value)
    charset = parameters.pop("charset", "utf-8")
    if kind == CSV and parameters.get("header") in ("present", "absent"):
        del parameters["header"]
    if kind not in consumes or parameters or charset not in ("utf-8", "utf8"):
        raise Problem(415, f"Expected a body of type {' or '.join(consumes)}, in UTF-8, found {found_type(value)}.")


def found_type(value: str) -> str:
    """Say what a Content-Type is, and what to do about the one that curl sends unless it is told another."""
    is_form = media_type(value)[0] == FORM
    return f"{shown(value)}{FORM_HINT * is_form}"


def check_accept(value: str, produces: Sequence[str]) -> None:
    """Refuse with 406 when none of the types a route produces is accepted."""
    if chosen_type(value, produces) is None:
        raise Problem(406, f"This route answers with {' or '.join(produces)} only.")


def chosen_type(value: str, produces: Sequence[str]) -> str | None:
    """Return the type of an answer that Accept likes best, None when it takes none of them.

    Of equals the one that is named most plainly counts, then the first. Any type but the first must be named in full.
    """
    accepted = dict(map(media_type, value.split(",")))
    best: tuple[float, int] = (0.0, 0)
    chosen = None
    for index, kind in enumerate(produces):
        name = media_type(kind)[0]
        wanted = ((3, name), (2, name.partition("/")[0] + "/*"), (1, "*/*")) if index == 0 else ((3, name),)
        plainness, named = next(((rank, text) for rank, text in wanted if text in accepted), (0, ""))
        quality = _quality(accepted[named]) if named else 0.0
        if quality > 0 and (quality, plainness) > best:
            best, chosen = (quality, plainness), kind
    return chosen


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0


def chosen_encoding(value: str) -> str | None:
    """Return the compression that Accept-Encoding likes best, gzip of equals, None when it names none of ours."""
    accepted = dict(map(media_type, value.split(",")))
    found = {name: _quality(accepted[name]) for name in WINDOWS if name in accepted}
    best = max(found, key=found.__getitem__, default=None)
    return best if best is not None and found[best] > 0 else None


def encoded(body: bytes, encoding: str) -> bytes:
    """Compress a body quickly rather than well: numbers gain little by more effort."""
    deflater = zlib.compressobj(zlib.Z_BEST_SPEED, wbits=WINDOWS[encoding])
    return deflater.compress(body) + deflater.flush()


def decoded(body: bytes, encoding: str, limit: int, known: Sequence[str] = ("gzip",)) -> bytes:
    """Undo the Content-Encoding of a body: 415 for any but the `known`, 413 beyond `limit` bytes, 400 for damage."""
    if encoding in ("", "identity"):
        return body
    encoding = encoding.removeprefix("x-")
    if encoding not in known:
        allowed = ", ".join(known)
        detail = f"Expected no Content-Encoding, or {' or '.join(known)}."
        raise Problem(415, detail, headers=[("accept-encoding", allowed)])
    window = WINDOWS[encoding]
    inflater = zlib.decompressobj(window)
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, f"The body is not valid {encoding} data.") from error
    if len(content) > limit:
        raise Problem(413, f"The body is longer than {limit} bytes after decompression.")
    if not inflater.eof or inflater.unused_data:
        raise Problem(400, f"The body is not one complete piece of {encoding} data.")
    return content
