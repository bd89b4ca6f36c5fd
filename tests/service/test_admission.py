"""How much work is taken on, what is refused and for how long, and what work is learnt to take."""

import time

import pytest

from service.computing.admission import Admission, FullError, learnt, retry_after_s

FAR = float("inf")


def refused(admission: Admission, rows: int, seconds: float, deadline: float = FAR) -> FullError | None:
    """Try to have work taken on; return the refusal, if it is one."""
    try:
        admission.admit((rows, seconds), deadline)
    except FullError as error:
        return error
    return None


def test_what_comes_when_nothing_waits_is_always_taken() -> None:
    assert refused(Admission(most_rows=10, longest_wait_s=1.0), 1000, 99.0, deadline=0.0) is None


def test_as_many_rows_as_may_wait_are_taken_and_no_more() -> None:
    admission = Admission(most_rows=100, longest_wait_s=1.0)
    assert refused(admission, 60, 0.0) is None
    assert refused(admission, 40, 0.0) is None
    full = refused(admission, 1, 0.0)
    assert full is not None
    assert (full.is_for_all, full.retry_after_s, admission.rows) == (True, 1, 100)


def test_work_is_taken_up_to_the_longest_wait_and_the_refusal_says_how_long_it_is() -> None:
    admission = Admission(most_rows=100, longest_wait_s=8.0)
    assert refused(admission, 1, 4.5) is None
    assert refused(admission, 1, 3.5) is None
    full = refused(admission, 1, 0.25)
    assert full is not None
    assert (full.is_for_all, full.retry_after_s, admission.rows, admission.seconds) == (True, 8, 2, 8.0)


def test_work_that_would_be_late_is_refused_for_this_request_alone() -> None:
    admission = Admission(most_rows=100, longest_wait_s=60.0)
    assert refused(admission, 1, 20.0) is None
    late = refused(admission, 1, 20.0, deadline=time.monotonic() + 30)
    assert late is not None
    assert not late.is_for_all
    assert refused(admission, 1, 20.0, deadline=time.monotonic() + 300) is None


def test_what_is_done_makes_room_for_as_much() -> None:
    admission = Admission(most_rows=100, longest_wait_s=1.0)
    for load in ((60, 0.5), (40, 0.25)):
        admission.admit(load, FAR)
    admission.release((60, 0.5))
    assert (admission.rows, admission.seconds) == (40, 0.25)
    admission.release((40, 0.1))
    assert (admission.rows, admission.seconds) == (0, 0.0)


def test_a_body_is_not_looked_at_while_as_much_waits_as_may() -> None:
    admission = Admission(most_rows=100, longest_wait_s=1.0)
    admission.admit((99, 1.0), FAR)
    admission.check("/predict", 10)
    admission.admit((1, 0.0), FAR)
    with pytest.raises(FullError):
        admission.check("/predict", 10)
    admission.release((1, 0.0))
    admission.check("/predict", 10)
    slow = Admission(most_rows=100, longest_wait_s=1.0)
    slow.admit((1, 1.5), FAR)
    with pytest.raises(FullError):
        slow.check("/predict", 10)


def test_a_refusal_is_not_remembered_when_all_has_been_done_meanwhile() -> None:
    admission = Admission(most_rows=100, longest_wait_s=1.0)
    admission.note_refused("/predict", 10)
    assert not admission.is_full("/predict", 10)


def test_what_work_takes_is_learnt_from_work_that_is_large_enough() -> None:
    admission = Admission(most_rows=100, longest_wait_s=1.0)
    unit_s, (_, body_s) = admission.unit_s, admission.of_bytes(10**6, 5)
    admission.learn_units(1_999_999, 100.0)
    admission.learn_bytes(32_767, 100.0)
    assert (admission.unit_s, admission.of_bytes(10**6, 5)) == (unit_s, (5, body_s))
    admission.learn_units(2_000_000, 2_000_000 * 2 * unit_s)
    admission.learn_bytes(32_768, 32_768 * 2 * body_s / 10**6)
    assert admission.unit_s == pytest.approx(1.1 * unit_s)
    assert admission.of_bytes(10**6, 5)[1] == pytest.approx(1.1 * body_s)


def test_one_measurement_moves_what_is_known_a_tenth_of_the_way_and_no_more_than_four_times_as_far() -> None:
    assert learnt(1.0, 2.0) == pytest.approx(1.1)
    assert learnt(1.0, 0.0) == pytest.approx(0.9)
    assert learnt(1.0, 1e9) == pytest.approx(1.3)


@pytest.mark.parametrize(("seconds", "whole"), [(0.0, 1), (1.0, 1), (1.01, 2), (59.5, 60), (60.0, 60), (1e9, 60)])
def test_a_wait_is_said_in_whole_seconds_from_1_to_60(seconds: float, whole: int) -> None:
    assert retry_after_s(seconds) == whole
