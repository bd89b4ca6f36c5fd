"""Sends an event to the one URL that the settings name: signed, in time, and to nobody else."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

__all__ = ["Webhook", "WebhookError"]

TIMEOUTS_S = (5.0, 10.0)  # to connect, to answer
TRIED_AGAIN = 2
PASSING = (429, 500, 502, 503, 504)
FIRST_WAIT_S = 0.5
GOOD = range(200, 300)
TOKEN = "{token}"  # noqa: S105 - where it goes, not what it is
WORDS: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.exceptions.SSLError, "its certificate is not accepted"),
    (requests.exceptions.ConnectTimeout, "it did not take the connection in time"),
    (requests.exceptions.ReadTimeout, "it did not answer in time"),
    (requests.exceptions.RetryError, "it answered with an error at every attempt"),
    (requests.exceptions.ConnectionError, "there is no connection to it"),
)


class WebhookError(Exception):
    """Nothing was taken; the message says why and holds neither the URL nor a secret."""


@dataclass(frozen=True)
class Webhook:
    """Where events go, in the form of GitHub's `repository_dispatch`.

    The token goes into the URL where that says ``{token}``, else into the header Authorization. With a secret the body
    is signed by HMAC-SHA256 in X-Hub-Signature-256, as GitHub signs what it sends.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    secret: bytes | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Who is told, for the log."""
        return urlsplit(self.url).hostname or ""

    def send(self, event: str, payload: Mapping[str, Any]) -> int:
        """Send an event and return the status of the answer; at most three attempts, no redirects. WebhookError."""
        body = json.dumps({"event_type": event, "client_payload": payload}).encode()
        try:
            with _session() as session:
                answer = session.post(
                    self._filled(),
                    data=body,
                    headers=self._headers(body),
                    auth=_untouched,
                    timeout=TIMEOUTS_S,
                    allow_redirects=False,
                    stream=True,
                )
                answer.close()
        except requests.RequestException as error:
            words = next((words for kind, words in WORDS if isinstance(error, kind)), "the request cannot be sent")
            raise WebhookError(words) from None
        if answer.status_code not in GOOD:
            raise WebhookError(f"it answered {answer.status_code}")
        return answer.status_code

    def _filled(self) -> str:
        return self.url.replace(TOKEN, quote(self.token or "", safe=""))

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
            "User-Agent": "ganglion",
            "X-Delivery": secrets.token_hex(16),
        }
        if self.token is not None and TOKEN not in self.url:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.secret is not None:
            headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        return headers


def _session() -> requests.Session:
    """Return a session that tries again what may pass."""
    again = Retry(
        TRIED_AGAIN,
        redirect=0,
        backoff_factor=FIRST_WAIT_S,
        status_forcelist=PASSING,
        allowed_methods=None,
        respect_retry_after_header=False,  # it is not theirs to say how long this takes
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    return session


def _untouched(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep the headers as they are: without this a .netrc would be heard."""
    return request
