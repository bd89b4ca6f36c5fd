"""A bad version is promoted under load: the service finds out and goes back, and nobody is refused meanwhile."""

import threading
from itertools import pairwise
from typing import Any

import pytest

from predictor import FolderRepository
from tests.service import models
from tests.service.test_watching import ROWS
from tests.service.wire import answers, asking, running, until

pytestmark = pytest.mark.alone


class Client(threading.Thread):
    """Asks for one row after another on one kept connection."""

    def __init__(self, service: Any) -> None:
        super().__init__()
        self.service = service
        self.versions: list[int] = []
        self.failed: list[Any] = []
        self.stopping = False

    def run(self) -> None:
        with self.service.connect() as connection:
            given = answers(connection)
            while not self.stopping:
                for row in ROWS:
                    connection.sendall(asking([row]))
                    answer = next(given)
                    if answer.status == 200:
                        self.versions.append(answer.json["version"])
                    else:
                        self.failed.append(answer)


@pytest.mark.parametrize("is_writable", [True, False], ids=["alias goes back", "held back"])
def test_a_bad_version_goes_back_by_itself_and_no_request_fails(tmp_path: Any, *, is_writable: bool) -> None:
    repository = FolderRepository(tmp_path / "models")
    models.publish(repository, "flowers", models.flowers(1))
    with running(repository.root, workers=2, reload_interval_s=0.05, watch_window_s=600, watch_answers=50) as service:
        clients = [Client(service) for _ in range(2)]
        for client in clients:
            client.start()
        until(lambda: all(client.versions for client in clients))
        models.publish(repository, "flowers", models.one_class(2))
        if not is_writable:
            (repository.root / "flowers" / ".new-promotions.json").mkdir()  # nothing can be promoted
        until(lambda: service.get("/models/flowers").json["rollbacks"])
        until(lambda: all(client.versions[-1:] == [1] for client in clients))
        for client in clients:
            client.stopping = True
        for client in clients:
            client.join()
        assert [client.failed for client in clients] == [[], []]
        changes = [[a for a, b in pairwise(client.versions) if a != b] for client in clients]
        # There, and back once; a client that was not heard meanwhile saw nothing of it.
        assert [1, 2] in changes
        assert all(seen in ([], [1, 2]) for seen in changes)
        told = service.get("/models/flowers").json
        assert (told["serving"]["champion"], told["rollbacks"][0]["is_held"]) == (1, not is_writable)
        assert repository.aliases("flowers")["champion"] == (1 if is_writable else 2)
        assert service.metric(r'ganglion_rollbacks_total\{model="flowers",reason="shift"\}') == 1
        assert [line["reason"] for line in service.lines() if line["message"] == "a version was rolled back"] == [
            "shift"
        ]
