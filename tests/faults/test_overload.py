"""More work than can be done: what is done stays what could be done, the rest is refused at once, and it passes.

The machine that runs the tests may be busy with others: what is asserted is by processor time, or the best of rounds;
benchmarks/overload.py has the figures.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.open_loop import capacity, drive
from benchmarks.overload import ask_for_ever, beside, spin
from predictor import ClassOutputs, FolderRepository, NumericFeature, Schema
from tests.service import models
from tests.service.wire import GOOD, START_S, Running, answers, asking, running, until

pytestmark = pytest.mark.alone

ENOUGH_S = 0.5
FEATURES = 8
MANY = 100_000


@pytest.fixture(scope="module")
def wide(tmp_path_factory: Any) -> Any:
    """A model of which a request of 128 rows takes some twenty milliseconds, nearly all of it in the product."""
    repository = FolderRepository(tmp_path_factory.mktemp("models"))
    schema = Schema(tuple(NumericFeature(f"x{i}", low=0.0, high=1.0) for i in range(FEATURES)))
    network = models.network_of(FEATURES, (1536, 1536, 3), "softmax", 1)
    outputs = ClassOutputs(("a", "b", "c"), "y")
    models.publish(repository, "flowers", models.predictor_of(schema, network, outputs, [[0.5] * FEATURES]))
    return repository


@pytest.fixture(scope="module")
def rows() -> Any:
    return np.random.default_rng(0).random((128, FEATURES)).round(3).tolist()


def per_cpu_s(service: Running, ask: Callable[[], float]) -> float:
    """Return how many answers a second of processor time gives; `ask` returns how many there were.

    It is called until there was enough of that time to tell: others may have most of the machine's.
    """
    before, count, used = service.cpu_s(), 0.0, 0.0
    while used < ENOUGH_S:
        count += ask()
        used = service.cpu_s() - before
    return count / used


def test_at_up_to_ten_times_what_can_be_done_it_is_done_and_the_rest_is_refused_soon(wide: Any, rows: Any) -> None:
    request = asking(rows)
    outcomes = []
    with running(wide.root, workers=2) as service:
        drive(service.port, request, rate=20, seconds=1.0)

        def goodput(times: float) -> float:
            """Return it as a share of what is done without overload, right before."""
            most = capacity(service.port, request, connections=4, seconds=0.4)
            alone = per_cpu_s(service, lambda: capacity(service.port, request, connections=4, seconds=0.6) * 0.6)

            def ask() -> int:
                outcomes.append(drive(service.port, request, rate=times * most, seconds=1.0))
                return len(outcomes[-1].latencies.get(200, ()))

            return per_cpu_s(service, ask) / alone

        for times in (2, 5, 10):
            found = [goodput(times)]
            while found[-1] < 0.85 and len(found) < 6:  # caches are shared with whoever else uses the machine
                found.append(goodput(times))
            assert found[-1] >= 0.85, (times, found)
        until(lambda: set(drive(service.port, request, rate=5, seconds=0.6).latencies) == {200}, seconds=30)
        shed = service.metric('ganglion_shed_total{reason="full"')
        assert shed >= sum(len(o.latencies.get(429, ())) for o in outcomes)
        until(lambda: sum(line.get("status") == 429 for line in service.lines()) == shed)
        inside_ms = sorted(line["ms"] for line in service.lines() if line.get("status") == 429)
    assert set().union(*(outcome.latencies for outcome in outcomes)) == {200, 429}
    assert all(1 <= int(text) <= 60 for outcome in outcomes for text in outcome.retry_after)
    assert min(outcome.percentile(99, 200) for outcome in outcomes) < 3
    assert inside_ms[int(len(inside_ms) * 0.9)] < 20
    # At once: where the client is kept from the processor, too, long before others are answered.
    refusing = [outcome for outcome in outcomes if 429 in outcome.latencies]
    assert any(o.percentile(50, 429) < max(0.05, o.percentile(50, 200) / 2) for o in refusing)


def test_a_request_that_would_be_late_is_refused_or_not_computed(wide: Any, rows: Any) -> None:
    with running(wide.root, workers=1, deadline_s=START_S) as service:
        assert service.ask(asking(rows)).status == 200
        service.metric("ganglion_workers")
        before = service.metric("ganglion_executions_total")
        late = service.ask(asking(rows * 40, "X-Request-Timeout-Ms: 1\r\n"))
        assert (late.status, int(late.headers["retry-after"]) >= 1) == (504, True)
        time.sleep(0.3)
        assert service.metric("ganglion_executions_total") <= before + 1
        for text in ("0", "-1", "1.5", "soon", "9999999999", ""):
            assert service.ask(asking(rows[:1], f"X-Request-Timeout-Ms: {text}\r\n")).status == 400
        assert service.ask(asking(rows[:1], "X-Request-Timeout-Ms: 60000\r\n")).status == 200


def probe_ms(service: Any, times: int = 120) -> float:
    """Ask for one row a hundred times a second; return the 90th percentile of the times from when each was due."""
    taken = []
    with service.connect() as connection:
        given = answers(connection)
        began = time.perf_counter()
        for i in range(times):
            due = began + i / 100
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.sendall(GOOD)
            assert next(given).status == 200
            taken.append((time.perf_counter() - due) * 1000)
    return sorted(taken)[int(times * 0.9)]


def test_a_hundred_thousand_rows_do_not_hold_up_single_ones(tmp_path: Any) -> None:
    repository = models.filled_repository(tmp_path)
    large = asking([models.FLOWER_ROW] * MANY)
    settings = {"max_rows": MANY, "max_rows_waiting": 3 * MANY, "max_body_bytes": 2**24}
    with running(repository.root, workers=1, **settings) as service:
        rounds: list[tuple[float, float]] = []
        while not rounds or (len(rounds) < 5 and rounds[-1][1] > 2 * rounds[-1][0] + 10):
            with beside(spin):  # whoever computes takes a processor, too
                alone = probe_ms(service)
            with beside(lambda: ask_for_ever(service, large)):
                rounds.append((alone, probe_ms(service)))
        until(lambda: service.metric("ganglion_rows_total") >= MANY)
        # Ten milliseconds are some turns of the system's scheduler; read in one piece such a request held up the others
        # for a quarter of a second.
        assert rounds[-1][1] <= 2 * rounds[-1][0] + 10, rounds
