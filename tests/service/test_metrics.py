"""Counters that processes share, and the page that sums them."""

import threading
from functools import partial
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.application import create_observer
from service.observing.layout import BUCKETS
from service.observing.logs import LogWriter
from service.settings import load_settings
from service.sharing.counters import SharedCounters
from tests.service.processes import ended_well, in_worker


@pytest.fixture
def observer(tmp_path: Any) -> Any:
    with (tmp_path / "log").open("w") as stream:
        yield create_observer(load_settings(models=tmp_path), LogWriter(stream))


def answered(observer: Any, **changed: Any) -> None:
    given = {
        "request_id": "r", "method": "POST", "route": "/predict", "path": "/predict", "status": 200, "seconds": 0.003,
        "received": 10, "sent": 20, "model": "iris", "version": 1, "rows": 2,
    }  # fmt: skip
    observer.answered(**given | changed)


def samples(observer: Any) -> Any:
    text = observer.exposition()[1].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_rows_events_and_times_are_exposed(observer: Any) -> None:
    answered(observer)
    answered(observer, status=422, rows=0, seconds=0.2)
    observer.noted("out_of_range", 3, model="iris")
    observer.shed("full")
    found = samples(observer)
    request = (("method", "POST"), ("route", "/predict"), ("status", "200"))
    assert found["ganglion_requests_total", request] == 1
    of = (("model", "iris"), ("version", "1"))
    assert found["ganglion_rows_total", of] == 2
    assert found["ganglion_predictions_total", (("model", "iris"), ("outcome", "ok"), ("version", "1"))] == 1
    assert found["ganglion_predictions_total", (("model", "iris"), ("outcome", "invalid"), ("version", "1"))] == 1
    assert found["ganglion_events_total", (("event", "out_of_range"), ("model", "iris"))] == 3
    assert found["ganglion_shed_total", (("reason", "full"),)] == 1
    assert found["ganglion_shed_total", (("reason", "late"),)] == 0
    assert found["ganglion_request_seconds_count", (("route", "/predict"),)] == 2
    assert found["ganglion_request_seconds_sum", (("route", "/predict"),)] == pytest.approx(0.203)
    buckets = [found["ganglion_request_seconds_bucket", (("le", str(b)), ("route", "/predict"))] for b in BUCKETS]
    assert buckets == [0] * 6 + [1] * 5 + [2] * 6


def test_text_from_outside_never_becomes_a_label(observer: Any) -> None:
    answered(observer, route="/evil", method="BREW", status=299, path="/evil")
    text = observer.exposition()[1].decode()
    assert 'route="unmatched"' in text
    assert 'method="other"' in text
    for part in ("evil", "BREW"):
        assert part not in text


def test_stages_and_shared_executions_are_counted(observer: Any) -> None:
    answered(observer, rows=2, stages=(0.00002, 0.0002, 0.002, 0.02, 5.0))
    answered(observer, rows=3, stages=(0.00002, 0.0002, 0.002, 0.02, 0.0))
    found = samples(observer)
    assert found["ganglion_executions_total", (("model", "iris"), ("version", "1"))] == 1
    assert found["ganglion_batch_rows_count", ()] == 1
    assert found["ganglion_batch_rows_sum", ()] == 5
    assert found["ganglion_batch_rows_bucket", (("le", "4.0"),)] == 0
    assert found["ganglion_stage_seconds_bucket", (("le", "5e-05"), ("stage", "decode"))] == 2
    for stage, seconds in (("decode", 0.00004), ("queue", 0.0004), ("compute", 0.004), ("encode", 0.04)):
        assert found["ganglion_stage_seconds_sum", (("stage", stage),)] == pytest.approx(seconds)


def test_the_first_511_versions_have_labels_of_their_own(observer: Any) -> None:
    for number in range(1, 521):
        answered(observer, version=number)
    found = samples(observer)
    assert found["ganglion_rows_total", (("model", "iris"), ("version", "1"))] == 2
    assert found["ganglion_rows_total", (("model", "iris"), ("version", "511"))] == 2
    assert found["ganglion_rows_total", (("model", "other"), ("version", "other"))] == 18


def test_the_first_63_models_have_labels_of_their_own(observer: Any) -> None:
    for number in range(70):
        observer.noted("out_of_range", 2, model=f"model-{number}")
    found = samples(observer)
    for model, count in (("model-0", 2), ("model-62", 2), ("other", 14)):
        assert found["ganglion_events_total", (("event", "out_of_range"), ("model", model))] == count


def test_processes_that_meet_new_models_agree_on_their_labels(observer: Any) -> None:
    for names in (("b", "a"), ("a", "c", "b")):
        row = observer.counters.claim(names)

        def work(row: int = row, names: Any = names) -> None:
            observer.counters.use(row)
            for name in names:
                observer.noted("out_of_range", 1, model=name)

        assert ended_well(in_worker(work))
    found = samples(observer)
    events = {model: found["ganglion_events_total", (("event", "out_of_range"), ("model", model))] for model in "abc"}
    assert events == {"a": 2, "b": 2, "c": 1}


@pytest.mark.parametrize("done", range(8))
def test_what_is_counted_in_parts_is_shown_once_and_as_a_whole_whenever_the_page_is_asked_for(
    observer: Any, done: int
) -> None:
    observer.begin(0)
    for status in (200, 422):
        answered(observer, status=status, stages=(0.001, 0.0, 0.001, 0.001, 2))
    parts = observer.parts()
    shown = set()
    for _ in zip(range(done), parts, strict=False):
        of_version = observer.layout.version("iris", 1)
        sums = observer.counters.sums()
        requests = [sums[observer.layout.request("/predict", "POST", status)] for status in (200, 422)]
        shown.add((sum(requests), sum(sums[of_version : of_version + 5])))
    assert shown <= {(0, 0), (1, 1), (2, 2)}
    answered(observer)
    assert samples(observer)["ganglion_request_seconds_count", (("route", "/predict"),)] == 3
    answered(observer)
    for _ in parts:  # nothing of what the page has counted is left in them
        pass
    observer.end()
    found = samples(observer)
    assert found["ganglion_request_seconds_count", (("route", "/predict"),)] == 4
    assert found["ganglion_batch_rows_count", ()] == 2
    assert found["ganglion_rows_total", (("model", "iris"), ("version", "1"))] == 8


def test_a_time_longer_than_every_bucket_is_counted_in_the_last(observer: Any) -> None:
    answered(observer, seconds=1000.0)
    found = samples(observer)
    assert found["ganglion_request_seconds_bucket", (("le", "10.0"), ("route", "/predict"))] == 0
    assert found["ganglion_request_seconds_bucket", (("le", "+Inf"), ("route", "/predict"))] == 1


def test_processes_count_into_their_own_rows_and_the_sum_outlives_them() -> None:
    counters = SharedCounters(rows=4, width=3, gauges=1)

    def work(row: Any) -> None:
        counters.use(row)
        counters.set(0, 7)
        counters.add(1)
        counters.add(2, 0.5)

    for round_ in range(1, 4):
        rows = [counters.claim(object()), counters.claim(object())]
        assert rows == [0, 1]
        for row in rows:
            assert ended_well(in_worker(partial(work, row)))
        assert counters.sums() == [14, 2 * round_, 1.0 * round_]
        for row in rows:
            counters.release(row)
        assert counters.sums()[0] == 0


def test_rows_are_used_again_lowest_first_and_the_last_is_shared() -> None:
    counters = SharedCounters(rows=2, width=1, gauges=0)
    assert [counters.claim(i) for i in range(3)] == [0, 1, 1]
    counters.release(0)
    assert counters.claim(3) == 0


def test_threads_of_one_process_lose_no_count() -> None:
    counters = SharedCounters(rows=1, width=3, gauges=0)

    def work() -> None:
        for _ in range(5000):
            counters.add(0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.sums()[0] == 20_000
