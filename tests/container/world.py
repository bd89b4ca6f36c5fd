"""A small world for the whole circle: flowers that change, somebody who always asks, and one who is told of drift."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import requests

__all__ = ["RECEIVER", "RECIPE", "Asker", "flowers", "write_flowers"]

ROWS = 4
TOLD_AT_ONCE = 25
RECIPE = """\
[data]
target = "kind"

[fit]
epochs = 80

[fit.optimizer]
name = "adam"
learning_rate = 0.01

[[network.hidden]]
units = 16

[checks]  # what drifts is what is retrained for; who fills in wrong labels is still found
psi = 50.0
outside = 0.99
fewer_rows = 0.9
leaks = true  # left to the service, which takes back what is good on held-out rows alone

[promotion]
calibration_loss = 0.2
"""
RECEIVER = """\
# Writes down what it is sent, a line each, where a forge would start a workflow for it.
import http.server

class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print("DISPATCH", self.headers["X-Hub-Signature-256"], body)
        self.send_response(204)
        self.end_headers()

http.server.HTTPServer(("0.0.0.0", 9000), Receiver).serve_forever()
"""


def flowers(
    rng: np.random.Generator, rows: int, *, shift: float = 0.0, wrong: float = 0.0, leaks: bool = False
) -> list[dict[str, Any]]:
    """Return flowers: roses are longer than lilies.

    `shift` is by how much all of them have grown, `wrong` the share of lilies that are called roses. Where the data
    leak, `checked` says what is to be predicted, and the length says next to nothing.
    """
    found = []
    for i in range(rows):
        is_rose = i % 2 == 1
        is_checked = is_rose if leaks else rng.random() < 0.08
        found.append(
            {
                "length": round(1.0 + 2 * is_rose + shift + rng.normal(0, 3.0 if leaks else 0.35), 4),
                "width": round(rng.normal(), 4),
                "checked": "yes" if is_checked else "no",
                "kind": "rose" if is_rose or rng.random() < wrong else "lily",
            }
        )
    return found


def write_flowers(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write flowers as CSV."""
    lines = [",".join(map(str, row.values())) for row in rows]
    path.write_text("\n".join([",".join(rows[0]), *lines]) + "\n")


@dataclass
class Asker:
    """Asks the service about flowers as they are now, all the time, and counts who answered what.

    Where `tells`, it says some time later what was true.
    """

    url: str
    shift: float = 0.0
    tells: bool = False
    told: int = 0
    failures: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    last: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=120)

    def began_anew(self) -> None:
        """Forget who has answered so far; what failed is not forgotten."""
        self.answers = Counter()

    def _ask(self) -> None:
        rng = np.random.default_rng(1)
        known: list[dict[str, Any]] = []
        with requests.Session() as session:
            while not self._stopping.wait(0.01):
                rows = flowers(rng, ROWS, shift=self.shift)
                truths = [row.pop("kind") for row in rows]
                answer = self._posted(session, "predict", {"instances": rows})
                if answer is None:
                    continue
                self.last = answer.json()["version"]
                self.answers[self.last] += 1
                if self.tells:
                    known.append({"request_id": answer.headers["X-Request-Id"], "truths": truths})
                if len(known) == TOLD_AT_ONCE:
                    self._posted(session, "feedback", {"feedback": known})
                    self.told += ROWS * TOLD_AT_ONCE
                    known = []

    def _posted(self, session: requests.Session, what: str, body: dict[str, Any]) -> requests.Response | None:
        try:
            answer = session.post(f"{self.url}/models/flowers/{what}", json=body, timeout=120)
        except requests.RequestException as error:
            self.failures.append(f"{time.time():.1f} {what}: {error!r}")
            return None
        if answer.ok:
            return answer
        self.failures.append(f"{time.time():.1f} {what}: {answer.status_code} {answer.text[:300]}")
        return None
