"""A thread at bulk work leaves the interpreter's lock to its loop when that wants it, and keeps it when it does not."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from service.computing import courtesy
from service.computing.batching import Batcher
from service.computing.courtesy import LoopWork, make_way
from service.versions.catalog import Served
from tests.service import models

PIECE_S = 0.0001


class Clock:
    """The times of one thread, which is kept from its work for a while before it looks at them."""

    def __init__(self) -> None:
        self.now = self.worked = 100.0
        self.slept: list[float] = []
        self.while_away: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.worked

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.while_away()

    def work(self, waiting_s: float = 0.0) -> None:
        self.now += PIECE_S + waiting_s
        self.worked += PIECE_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(courtesy, "time", found)
    return found


def in_a_thread(work: LoopWork | None, test: Callable[[], Any]) -> None:
    def run() -> None:
        if work is not None:
            work.enter()
        test()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_thread_that_nobody_waits_for_works_on(clock: Clock) -> None:
    def test() -> None:
        make_way()
        clock.slept.clear()  # it has waited before its first piece, for whatever reason
        for _ in range(3):
            clock.work()
            make_way()

    in_a_thread(LoopWork(), test)
    assert clock.slept == []


def test_a_thread_that_had_to_wait_stays_away_once(clock: Clock) -> None:
    def test() -> None:
        make_way()
        clock.slept.clear()
        clock.work(waiting_s=0.001)
        make_way()
        clock.work()
        make_way()

    in_a_thread(LoopWork(), test)
    assert len(clock.slept) == 1


def test_a_thread_stays_away_as_often_as_it_had_to_wait(clock: Clock) -> None:
    def test() -> None:
        make_way()
        clock.slept.clear()
        for _ in range(3):
            clock.work(waiting_s=0.001)
            make_way()

    in_a_thread(LoopWork(), test)
    assert len(clock.slept) == 3


def test_a_thread_stays_away_until_the_loop_is_done(clock: Clock) -> None:
    work = LoopWork()

    def done_after_two() -> None:
        work.is_begun = len(clock.slept) < 2

    clock.while_away = done_after_two
    work.is_begun = True
    in_a_thread(work, make_way)
    assert len(clock.slept) == 2


def test_a_loop_that_is_never_done_keeps_a_thread_from_its_work_for_a_moment_only(clock: Clock) -> None:
    work = LoopWork()
    work.is_begun = True
    in_a_thread(work, make_way)
    assert sum(clock.slept) == pytest.approx(0.001)


def test_threads_of_no_loop_and_the_loop_itself_never_stay_away(clock: Clock) -> None:
    make_way()
    in_a_thread(None, make_way)
    assert clock.slept == []


def test_threads_of_a_batcher_stay_away_while_the_requests_of_a_turn_wait_for_their_product(clock: Clock) -> None:
    batcher = Batcher(thread_rows=64, max_rows_waiting=1000, longest_wait_s=60.0)
    soon = time.monotonic() + 60
    go, has_gone = threading.Event(), threading.Event()

    def job() -> list[int]:
        make_way()
        seen = []
        for _ in range(2):
            go.wait(60)
            clock.slept.clear()
            make_way()
            seen.append(len(clock.slept))
            go.clear()
            has_gone.set()
        return seen

    async def test() -> list[int]:
        asked = asyncio.ensure_future(batcher.offload(job, (1, 0.0), soon))
        await asyncio.sleep(0)
        done = asyncio.get_running_loop().create_future()
        batcher.enqueue(Served("flowers", 1, models.flowers()), np.ones((1, 4), np.float32), soon, done.set_result)
        go.set()
        has_gone.wait(60)  # the loop is kept in the turn that the request came in
        await done
        go.set()
        return await asked

    meanwhile, after = asyncio.run(test())
    batcher.close()
    assert meanwhile > 1
    assert after == 0
