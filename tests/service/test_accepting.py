"""A worker has room for all its connections before the first: to make it meanwhile would hold up every one of them."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.service import models
from tests.service.wire import running

SIZE = """
import os, resource
from service.wire.accepting import make_room_for

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, hard))
make_room_for({connections})
print(open("/proc/self/status").read().partition("FDSize:")[2].split()[0], len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.parametrize(
    ("connections", "most", "room"), [(700, 800, 700), (700, 300, 299), (300, 300, 299), (1, 300, 1)]
)
def test_there_is_room_for_so_many_connections_or_for_as_many_files_as_may_be_open(
    connections: int, most: int, room: int
) -> None:
    code = SIZE.format(connections=connections, most=most)
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(found[0]) > room
    assert int(found[1]) <= 5  # nothing is left open


def test_a_worker_has_room_for_all_its_connections_from_the_beginning(tmp_path: Any) -> None:
    models.filled_repository(tmp_path)
    most = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1)
    with running(tmp_path, workers=1) as service:
        assert service.predicts()
        status = Path(f"/proc/{service.workers()[0]}/status").read_text()
    assert int(status.partition("FDSize:")[2].split()[0]) > most - 1
