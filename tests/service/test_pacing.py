"""What the log store may cost, whatever is asked."""

from collections import deque
from itertools import count
from typing import Any

from service.truth.pacing import COST_A_FLUSH, Pace

SMALL = 100


def waiting(*costs: int) -> deque[Any]:
    return deque((None, "id", None, 0.0, None, None, cost) for cost in costs)


def taken(pace: Pace, queue: deque[Any]) -> int:
    some, cost = pace.take(queue)
    assert cost == sum(kept[-1] for kept in some)
    return len(some)


def test_small_requests_are_taken_up_to_a_bound() -> None:
    pace, queue = Pace(), waiting(*[SMALL] * 2000)
    numbers = [taken(pace, queue) for _ in range(4)]
    assert sum(numbers) * SMALL <= 4 * COST_A_FLUSH + SMALL
    assert min(numbers) >= COST_A_FLUSH // SMALL
    assert taken(pace, waiting()) == 0


def test_a_large_request_is_taken_and_paid_for_before_the_next() -> None:
    pace, queue = Pace(), waiting(10 * COST_A_FLUSH, SMALL)
    assert taken(pace, queue) == 1
    assert [next(number for number in count(1) if taken(pace, queue)), len(queue)] == [10, 0]


def test_a_slow_store_is_given_less_and_a_quick_one_all_again() -> None:
    pace = Pace()

    def most() -> int:
        queue = waiting(*[1] * 2 * COST_A_FLUSH)
        pace.take(waiting())
        return taken(pace, queue)

    for _ in range(20):
        pace.learn(1.0, COST_A_FLUSH)
    assert 0 < most() <= COST_A_FLUSH // 10
    for _ in range(20):
        pace.learn(0.001, 1)
    assert most() == COST_A_FLUSH


def test_a_large_request_that_takes_its_time_slows_nothing_down() -> None:
    pace = Pace()
    pace.learn(0.03, 10 * COST_A_FLUSH)
    assert taken(pace, waiting(*[1] * 2 * COST_A_FLUSH)) == COST_A_FLUSH
