"""The cells of the shared counters: each counts one thing, and there is one for whatever happens."""

import itertools
from collections.abc import Iterable

from service.observer import EVENTS, LOGGED, ROLLBACK_REASONS, SHED_REASONS
from service.observing.layout import BATCH_ROWS, BUCKETS, GAUGES, OF_VERSION, STAGES, STATUSES, Layout

ROUTES = ("/predict", "/metrics", "/predict")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "BREW")
MODELS = [f"model-{i}" for i in range(70)]


def spans(starts: Iterable[int], length: int = 1) -> set[int]:
    return {start + i for start in set(starts) for i in range(length)}


def test_no_cell_counts_two_things_however_many_models_there_are() -> None:
    layout = Layout(ROUTES)
    routes = (*ROUTES, "/unknown")
    kinds = [
        spans(range(len(GAUGES))),
        spans(layout.request(*kind) for kind in itertools.product(routes, METHODS, STATUSES)),
        spans(map(layout.latency, routes), len(BUCKETS) + 2),
        spans(map(layout.stage, range(len(STAGES))), len(BUCKETS) + 2),
        spans([layout.batches], len(BATCH_ROWS) + 2),
        spans(map(layout.shed, SHED_REASONS)),
        spans(map(layout.logged, LOGGED)),
        spans(layout.event(*kind) for kind in itertools.product(EVENTS, MODELS)),
        spans(layout.rollback(*kind) for kind in itertools.product(MODELS, ROLLBACK_REASONS)),
        spans((layout.version("m", number) for number in range(520)), len(OF_VERSION)),
        spans(layout.last("m", number) for number in range(520)),
    ]
    sizes = [
        len(GAUGES), 3 * len(METHODS) * len(STATUSES), 3 * (len(BUCKETS) + 2), len(STAGES) * (len(BUCKETS) + 2),
        len(BATCH_ROWS) + 2, len(SHED_REASONS), len(LOGGED), len(EVENTS) * 64, 64 * len(ROLLBACK_REASONS),
        512 * len(OF_VERSION), 512,
    ]  # fmt: skip
    assert [len(kind) for kind in kinds] == sizes
    assert set().union(*kinds) == set(range(layout.width)), "each cell of the whole is of one kind"
    assert sum(sizes) == layout.width


def test_what_nobody_has_heard_of_is_counted_together() -> None:
    layout = Layout(ROUTES)
    assert layout.routes == ("/predict", "/metrics", "unmatched")
    assert layout.request("/nothing", "BREW", 777) == layout.request("unmatched", "other", STATUSES[-1])
    assert layout.event("reload_ok", "") == layout.event("reload_ok", "other")


def test_requests_are_told_by_the_labels_they_were_counted_under() -> None:
    layout = Layout(ROUTES)
    sums = [0.0] * layout.width
    sums[layout.request("/metrics", "PUT", 404)] = 3.0
    sums[layout.request("/nothing", "BREW", 777)] = 2.0
    sums[layout.latency("/predict")] = 9.0  # the first cell behind those of requests
    assert list(layout.requests(sums)) == [
        (["/metrics", "PUT", "404"], 3.0), (["unmatched", "other", str(STATUSES[-1])], 2.0),
    ]  # fmt: skip
