"""A loop that has much to decode takes it up in parts, in order, and refuses what would wait for too long."""

import asyncio
import time
from typing import Any

import pytest

from service.computing.admission import Admission, FullError
from service.computing.turns import Turns
from service.messages import Request
from tests.contract.harness import ask_front, through_front
from tests.service import models

EACH_S = 0.002
SOON = 60.0


def request_of(number: int, *, received: float, body: bytes = b"") -> Request:
    return Request("POST", "/predict", "", {}, body, str(number), received, deadline=received + SOON)


class Worker:
    """Takes requests up, a few milliseconds each by its own clock, and says in which order."""

    def __init__(self, longest_wait_s: float) -> None:
        self.now = 100.0
        self.taken: list[int] = []
        self.turns = Turns(self.take_up, longest_wait_s, self.clock)

    def clock(self) -> float:
        return self.now

    def take_up(self, request: Any, then: Any) -> None:
        self.now += EACH_S
        self.taken.append(int(request.id))
        then(request)

    def spend(self, seconds: float) -> None:
        self.now += seconds

    async def ended(self) -> list[int]:
        """Wait until nothing is put off any more; return what was taken up."""
        for _ in range(10_000):
            if not self.turns.must_wait(0.0, self.now):
                break
            await asyncio.sleep(0)
        return self.taken


def taken_up_in_turns(between_s: float, answering_s: float = 0.0) -> tuple[Worker, list[int]]:
    """Put forty requests off, with turns of others in between; return what was done before each.

    What is left to be done for each request once it was taken up takes `answering_s`.
    """

    async def many() -> tuple[Worker, list[int]]:
        worker = Worker(SOON)
        loop = asyncio.get_running_loop()
        for i in range(40):
            worker.turns.put_off(
                request_of(i, received=worker.now), lambda _: loop.call_soon(worker.spend, answering_s)
            )
        seen = []
        while len(worker.taken) < 40:
            assert worker.turns.must_wait(0.0, worker.now)
            seen.append(len(worker.taken))
            worker.now += between_s
            await asyncio.sleep(0)
        return worker, seen

    return asyncio.run(many())


def test_what_is_put_off_is_taken_up_in_order_with_turns_for_others_in_between() -> None:
    worker, seen = taken_up_in_turns(0.0)
    assert worker.taken == list(range(40))
    assert not worker.turns.must_wait(0.0, worker.now)
    assert len(seen) >= 14  # 80 ms of work, 4 and a request more at a time


def test_a_turn_grows_with_what_others_take_not_with_what_its_own_requests_do() -> None:
    worker, seen = taken_up_in_turns(0.0, answering_s=0.01)
    assert worker.taken == list(range(40))
    assert len(seen) >= 14


@pytest.mark.parametrize(("between_s", "most_turns"), [(0.006, 11), (0.1, 10)])
def test_the_more_time_others_take_the_longer_is_a_turn_up_to_a_limit(between_s: float, most_turns: int) -> None:
    worker, seen = taken_up_in_turns(between_s)
    assert worker.taken == list(range(40))
    assert most_turns - 3 <= len(seen) <= most_turns


def test_a_turn_that_has_worked_for_long_leaves_what_comes_to_the_next() -> None:
    turns = Turns(lambda *_: None, SOON)
    assert not turns.must_wait(0.0, 100.0)
    assert not turns.must_wait(100.0, 100.001)
    assert turns.must_wait(100.0, 100.1)


def test_what_would_wait_for_too_long_is_refused_by_what_was_got_done_before() -> None:
    async def overload() -> Any:
        worker = Worker(0.05)
        refusals: list[FullError] = []
        for i in range(1000):
            try:
                worker.turns.put_off(request_of(i, received=worker.now), lambda _: None)
            except FullError as error:
                refusals.append(error)
            if i % 20 == 0:
                await asyncio.sleep(0)
        return await worker.ended(), refusals, worker.turns.wait_s

    taken, refusals, wait_s = asyncio.run(overload())
    assert taken == sorted(taken)
    assert len(taken) + len(refusals) == 1000
    assert refusals
    assert wait_s == 0
    assert {(error.is_for_all, error.retry_after_s) for error in refusals} == {(True, 1)}


def test_what_would_wait_beyond_its_own_deadline_is_refused_and_others_are_not() -> None:
    async def hurried() -> None:
        worker = Worker(SOON)
        now = worker.now
        worker.turns.put_off(request_of(0, received=now, body=bytes(50_000)), lambda _: None)
        hurried = request_of(1, received=now)
        hurried.deadline = now + 1e-6
        with pytest.raises(FullError) as refused:
            worker.turns.put_off(hurried, lambda _: None)
        assert not refused.value.is_for_all
        worker.turns.put_off(request_of(2, received=now), lambda _: None)
        assert await worker.ended() == [0, 2]

    asyncio.run(hurried())


def test_a_refused_body_says_how_long_others_are_too_much_until_work_is_done() -> None:
    admission = Admission(most_rows=100, longest_wait_s=1.0)
    admission.admit((90, 0.1), SOON + time.monotonic())
    assert not admission.is_full("/predict", 10)
    admission.note_refused("/predict", 500)
    admission.note_refused("/predict", 900)
    assert [admission.is_full("/predict", size) for size in (499, 500, 900)] == [False, True, True]
    assert not admission.is_full("/models/small/predict", 900)
    admission.release((90, 0.1))
    assert not admission.is_full("/predict", 900)


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_full_service_refuses_before_it_reads_the_body(build: Any, size: int) -> None:
    application = build()
    nonsense = {"repeat": ["{", "x", size, "}"]}
    assert through_front(application, nonsense).status == 400
    admission = application.batcher.admission
    admission.admit((10**6, 0.1), time.monotonic() + SOON)
    answer = through_front(application, nonsense)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    admission.release((10**6, 0.1))
    assert through_front(application, nonsense).status == 400


def test_many_requests_of_one_moment_are_all_answered_though_no_turn_takes_them_all(build: Any) -> None:
    application = build()
    asked = [{"json": {"instances": [[i / 10, 1, 1, 1]] * 300}} for i in range(60)]

    async def ask_all() -> Any:
        return await asyncio.gather(*(ask_front(application, request) for request in asked))

    answers = asyncio.run(ask_all())
    assert {answer.status for answer in answers} == {200}
    assert answers[7].body == through_front(application, asked[7]).body
    assert through_front(application, {"json": {"instances": [models.FLOWER_ROW]}}).status == 200


def test_few_turns_tell_how_long_others_wait() -> None:
    """A worker that has just begun must not take on several times what it can answer in time."""

    async def expected_s() -> float:
        worker = Worker(SOON)
        body = b"x" * 10_000
        for i in range(40):
            worker.turns.put_off(request_of(i, received=worker.now, body=body), lambda _: None)
        for _ in range(4):
            await asyncio.sleep(0)
        return worker.turns.wait_s / (40 - len(worker.taken))

    assert asyncio.run(expected_s()) == pytest.approx(EACH_S, rel=0.5)
