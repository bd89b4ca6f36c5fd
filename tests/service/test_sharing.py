"""What the processes of one fork share adds up, and nobody waits for a process that has ended."""

import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from service.sharing.locking import SharedLock
from service.sharing.memory import Memory
from service.sharing.windows import SLOTS, SharedWindows
from tests.service.processes import ended_well, in_worker
from tests.service.wire import ROOT


def test_a_lock_is_one_threads_of_one_process() -> None:
    lock = SharedLock(os.memfd_create("lock"))
    found: list[bool] = []

    def look() -> None:
        with lock.held(waits=False) as is_held:
            found.append(is_held)

    with lock.held() as is_held:
        assert is_held
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    look()
    assert found == [False, True]


def test_a_lock_ends_with_its_process_and_not_before() -> None:
    lock = SharedLock(os.memfd_create("lock"))
    (held, holds), (asked, asks) = os.pipe(), os.pipe()

    def hold() -> None:
        with lock.held():
            os.write(holds, b"x")
            os.read(asked, 1)
            os._exit(0)

    child = in_worker(hold)
    os.read(held, 1)
    with lock.held(waits=False) as is_held:
        assert not is_held
    os.write(asks, b"x")
    with lock.held() as is_held:
        assert is_held
    assert ended_well(child)


def test_threads_that_wait_crosswise_are_no_deadlock() -> None:
    first, second = SharedLock(os.memfd_create("first")), SharedLock(os.memfd_create("second"))
    (held, holds), (asked, asks) = os.pipe(), os.pipe()

    def wait_for_first() -> None:
        with first.held():
            pass

    def hold_second() -> None:
        os.read(asked, 1)
        waiting = threading.Thread(target=wait_for_first)
        with second.held():
            waiting.start()
            os.write(holds, b"x")
            time.sleep(0.2)  # the other process asks for the second lock meanwhile
        waiting.join()

    child = in_worker(hold_second)
    with first.held():
        os.write(asks, b"x")
        os.read(held, 1)
        time.sleep(0.05)
        with second.held() as is_held:
            assert is_held
    assert ended_well(child)


def test_a_shared_hour_is_the_sum_over_processes() -> None:
    windows = SharedWindows(cells=10_000)

    def add() -> None:
        for _ in range(50):
            windows.add("a", 1, np.array([1, 0, 2]), 0.0)

    assert [ended_well(child) for child in [in_worker(add) for _ in range(3)]] == [True] * 3
    assert windows.sums("a", 1, 3, "1h", 0.0).tolist() == [150, 0, 300]
    assert windows.sums("a", 2, 3, "1h", 0.0).tolist() == [0, 0, 0]


def test_what_is_older_than_the_window_is_forgotten() -> None:
    windows = SharedWindows(cells=10_000)
    one = np.array([1])
    for minute in range(180):
        windows.add("a", 1, one, 60.0 * minute)
    assert 60 <= windows.sums("a", 1, 1, "1h", 60.0 * 179)[0] <= 65
    assert windows.sums("a", 1, 1, "24h", 60.0 * 179)[0] == 180
    assert windows.sums("a", 1, 1, "1h", 60.0 * 179 + 7200)[0] == 0
    windows.add("a", 1, one, 60.0 * 179 + 7200)
    assert windows.sums("a", 1, 1, "1h", 60.0 * 179 + 7200)[0] == 1


def test_the_version_that_was_asked_least_recently_gives_way() -> None:
    windows = SharedWindows(cells=3 * 10 * SLOTS)
    ten = np.ones(10, np.int64)
    for time_s, name in enumerate(("a", "b", "c", "a", "d")):
        assert windows.add(name, 1, ten, float(time_s))
    kept = {name: int(windows.sums(name, 1, 10, "1h", 5.0)[0]) for name in "abcd"}
    assert kept == {"a": 2, "b": 0, "c": 1, "d": 1}
    assert not windows.add("large", 1, np.ones(31, np.int64), 6.0)


COUNTS = """
import pathlib, sys
from service.sharing.memory import Memory
memory = Memory(pathlib.Path(sys.argv[1]))
for _ in range(50):
    with memory.changing() as known:
        known["count"] = known.get("count", 0) + 1
"""


def test_processes_that_change_what_is_known_wait_for_each_other(tmp_path: Any) -> None:
    command = [sys.executable, "-c", COUNTS, str(tmp_path)]
    children = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [child.wait(timeout=120) for child in children] == [0, 0, 0]
    assert Memory(tmp_path).read() == {"count": 150}
