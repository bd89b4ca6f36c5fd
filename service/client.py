"""Asks a running service for predictions."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

__all__ = [
    "BusyError",
    "Client",
    "ClientError",
    "Fault",
    "Prediction",
    "RefusedRequestError",
    "ServerError",
    "UnreachableError",
]

Row = Sequence[Any] | Mapping[str, Any]

RETRIED = frozenset({429, 502, 503, 504})
OK = 200
GOOD = (OK, 202)
BAD_REQUEST = 400
INTERNAL_ERROR = 500
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request: where (a JSON pointer into all rows that were given) and what."""

    pointer: str
    code: str
    detail: str


class ClientError(Exception):
    """No predictions came; `request_id` finds the request in the service's log, when it got that far."""

    def __init__(self, message: str, *, status: int | None = None, request_id: str | None = None) -> None:
        self.status = status
        self.request_id = request_id
        super().__init__(message)


class UnreachableError(ClientError):
    """Nobody answered, or not in time."""


class BusyError(ClientError):
    """The service was busy or not ready, at every attempt."""


class ServerError(ClientError):
    """The service failed; asking again is not known to help."""


class RefusedRequestError(ClientError):
    """The request is wrong; `faults` says where, at most ten, and `count` how many there are."""

    def __init__(
        self, message: str, *, status: int, request_id: str | None, faults: tuple[Fault, ...], count: int
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.faults = faults
        self.count = count


@dataclass(frozen=True)
class Prediction:
    """The answer for all rows, in their order; `probabilities` and `classes` are empty for numbers.

    `requests` are the ids of the requests that were made, each with how many of the rows it asked for.
    """

    model: str
    version: int
    predictions: list[Any]
    probabilities: list[list[float]]
    classes: list[Any]
    requests: tuple[tuple[str, int], ...] = ()


class Client:
    """Keeps its connection open between questions; use it as a context manager, or `close` it.

    `timeout_s` is for one request; `attempts` is how often one is made in all when the service is busy or cannot be
    reached. It waits as long as the service asks for (`Retry-After`), else twice as long each time, with some chance
    in it, so that many clients do not come back together. Predictions change nothing, so asking twice is safe.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = 30.0,
        attempts: int = 5,
        batch_rows: int = 1000,
        api_key: str | None = None,
    ) -> None:
        if attempts < 1 or batch_rows < 1:
            raise ValueError("attempts and batch_rows are at least 1")
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._batch_rows = batch_rows
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=1))
        if api_key is not None:
            self._session.headers["X-Api-Key"] = api_key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def predict(self, rows: Sequence[Row], *, model: str | None = None, version: int | None = None) -> Prediction:
        """Predict every row, in batches; all of them or a ClientError.

        A row is a list of values in the order of the model's features, or a mapping from their names. `rows` may be
        a NumPy array of two dimensions. Batches of one call may meet a new version of the model when it is replaced
        meanwhile: then the version of the last one is told.
        """
        parts = list(self.predict_batches(rows, model=model, version=version))
        return Prediction(
            parts[-1].model,
            parts[-1].version,
            [value for part in parts for value in part.predictions],
            [values for part in parts for values in part.probabilities],
            parts[-1].classes,
            tuple(request for part in parts for request in part.requests),
        )

    def predict_batches(
        self, rows: Sequence[Row], *, model: str | None = None, version: int | None = None
    ) -> Iterator[Prediction]:
        """Yield the answers of one batch after the other."""
        path = _path(model, version)
        for start in range(0, max(1, len(rows)), self._batch_rows):
            batch = rows[start : start + self._batch_rows]
            tolist = getattr(batch, "tolist", None)
            given = self._answer("POST", path, {"instances": tolist() if tolist else list(batch)})
            answer = _read(given, start)
            yield Prediction(
                answer["model"],
                answer["version"],
                answer["predictions"],
                answer.get("probabilities", []),
                answer.get("classes", []),
                ((given.headers.get("X-Request-Id", ""), len(batch)),),
            )

    def feedback(self, prediction: Prediction, truths: Sequence[Any]) -> int:
        """Tell what was true of every row of a prediction, None for what is not known; return how many rows were taken.

        The service may take a while to know its own answers, and keeps only a sample of them where it is told so.
        """
        rows = sum(count for _, count in prediction.requests)
        if len(truths) != rows:
            raise ValueError(f"expected {rows} truths, one for each row, found {len(truths)}")
        given = getattr(truths, "tolist", None)
        left = given() if given else list(truths)
        told = []
        for request_id, count in prediction.requests:
            some, left = left[:count], left[count:]
            if any(truth is not None for truth in some):
                told.append({"request_id": request_id, "truths": some})
        path = f"/models/{_quoted(prediction.model)}/feedback"
        return int(self._ask("POST", path, {"feedback": told})["rows"]) if told else 0

    def models(self) -> dict[str, Any]:
        """Return what the service says of its models."""
        return self._ask("GET", "/models")

    def features(self, model: str | None = None) -> list[dict[str, Any]]:
        """Return what a row of a model consists of, in order: `name`, `type` ("number" or "category") and more."""
        name = model or self.models().get("default")
        if name is None:
            raise ClientError("The service has several models and no default: name one.")
        described = self._ask("GET", f"/models/{_quoted(name)}").get("champion") or {}
        features = described.get("features")
        if features is None:
            raise BusyError(f"No version of model {name} is ready.")
        return list(features)

    def is_ready(self) -> bool:
        """Return whether the service is ready to predict; False also when it cannot be reached."""
        try:
            return self._session.get(f"{self._url}/readyz", timeout=self._timeout_s).status_code == OK
        except requests.RequestException:
            return False

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return _read(self._answer(method, path, body), 0)

    def _answer(self, method: str, path: str, body: Any) -> requests.Response:
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._session.request(method, self._url + path, json=body, timeout=self._timeout_s)
            except requests.Timeout as error:
                raise UnreachableError(f"No answer from {self._url} within {self._timeout_s:g} s.") from error
            except requests.ConnectionError as error:
                if attempt == self._attempts:
                    raise UnreachableError(f"Nobody answers at {self._url}.") from error
                time.sleep(_wait_s(attempt, None))
                continue
            except (requests.RequestException, ValueError) as error:
                raise ClientError(f"The request could not be made: {error}") from error
            if answer.status_code not in RETRIED or attempt == self._attempts:
                break
            time.sleep(_wait_s(attempt, answer.headers.get("Retry-After")))
        return answer


def _path(model: str | None, version: int | None) -> str:
    if model is None:
        if version is not None:
            raise ValueError("a version needs the name of its model")
        return "/predict"
    name = _quoted(model)
    return f"/models/{name}/predict" if version is None else f"/models/{name}/versions/{version}/predict"


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _wait_s(attempt: int, asked: str | None) -> float:
    """Return how long to wait after an attempt: what the service asked for, else a doubling time."""
    if asked is not None and asked.isascii() and asked.isdigit():
        return min(LONGEST_WAIT_S, float(asked))
    doubled: float = FIRST_WAIT_S * 2.0 ** (attempt - 1)
    return min(LONGEST_WAIT_S, doubled) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads clients, hides nothing


def _read(answer: requests.Response, first_row: int) -> dict[str, Any]:
    """Return the document of an answer, or raise what its status means."""
    request_id = answer.headers.get("X-Request-Id")
    status = answer.status_code
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ServerError(f"The answer ({status}) is no JSON object.", status=status, request_id=request_id)
    if status in GOOD:
        return document
    message = str(document.get("detail") or f"The service answered {status}.")
    if status in RETRIED:
        raise BusyError(message, status=status, request_id=request_id)
    if not BAD_REQUEST <= status < INTERNAL_ERROR:
        raise ServerError(message, status=status, request_id=request_id)
    faults = tuple(_fault(fault, first_row) for fault in document.get("errors", ()))
    if faults:
        message = f"{message} {faults[0].pointer}: {faults[0].detail}"
    count = document.get("count", len(faults))
    raise RefusedRequestError(message, status=status, request_id=request_id, faults=faults, count=count)


def _fault(fault: Mapping[str, Any], first_row: int) -> Fault:
    """Read one fault; its pointer is made to count from the first row of all batches."""
    pointer = str(fault.get("pointer", ""))
    parts = pointer.split("/")
    if len(parts) > 2 and parts[1] == "instances" and parts[2].isdigit():  # noqa: PLR2004 - "", "instances", the row
        parts[2] = str(int(parts[2]) + first_row)
        pointer = "/".join(parts)
    return Fault(pointer, str(fault.get("code", "")), str(fault.get("detail", "")))
