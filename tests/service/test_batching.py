"""Work shared, bounded and in time."""

import asyncio
import base64
import io
import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor import ClassOutputs, FolderRepository, NumericFeature, Schema
from service.computing.admission import FullError, LateError
from service.computing.batching import THREADS, Batcher
from service.versions.catalog import Served
from tests.contract.harness import ask_front, through_front
from tests.service import models

FLOWERS = Served("flowers", 1, models.flowers())
SOON = 60.0


async def outputs_of(batcher: Any, X: Any) -> Any:
    """Wait for what the batcher calls back with."""
    found = await product_of(batcher, X)
    return found[0] if isinstance(found, tuple) else found


async def product_of(batcher: Any, X: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    batcher.enqueue(FLOWERS, X, time.monotonic() + SOON, future.set_result)
    return await future


def batcher(**bounds: Any) -> Any:
    return Batcher(**({"thread_rows": 64, "max_rows_waiting": 1000, "longest_wait_s": 60.0} | bounds))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_an_answer_does_not_depend_on_which_requests_share_its_turn(sizes: Any, seed: Any) -> None:
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=(rows, 4)).astype(np.float32) for rows in sizes]
    alone = [FLOWERS.predictor.network.infer(X) for X in inputs]

    async def together() -> Any:
        shared = batcher()
        return await asyncio.gather(*(outputs_of(shared, X) for X in inputs))

    for expected, found in zip(alone, asyncio.run(together()), strict=True):
        assert expected.tobytes() == np.ascontiguousarray(found).tobytes()


def test_requests_of_one_turn_share_one_product(monkeypatch: Any) -> None:
    calls: list[int] = []
    shared = batcher()

    def infer(_served: Any, X: Any, _deadline: float) -> Any:
        calls.append(len(X))
        return X, 1.0, 2.0, len(X)

    monkeypatch.setattr(shared, "infer", infer)

    async def together() -> Any:
        X = np.ones((3, 4), np.float32)
        return await asyncio.gather(*(product_of(shared, X) for _ in range(5)))

    products = asyncio.run(together())
    assert calls == [15]
    assert [shared for _, _, _, shared in products] == [15, 0, 0, 0, 0]
    assert {(started, ended, len(A)) for A, started, ended, _ in products} == {(1.0, 2.0, 3)}
    assert shared.admission.rows == 0


def test_beyond_the_bound_a_request_is_refused_at_once_with_a_time_to_retry() -> None:
    async def overload() -> Any:
        shared = batcher(max_rows_waiting=100)
        gate = threading.Event()
        running = asyncio.create_task(shared.offload(lambda: gate.wait(SOON), (100, 0.1), time.monotonic() + SOON))
        await asyncio.sleep(0)
        with pytest.raises(FullError) as full:
            await outputs_of(shared, np.ones((1, 4), np.float32))
        gate.set()
        await running
        shared.close()
        return full.value.retry_after_s, shared.admission.rows

    assert asyncio.run(overload()) == (1, 0)


def test_past_its_deadline_a_request_is_answered_even_while_its_work_waits() -> None:
    async def late() -> Any:
        shared = batcher()
        gate = threading.Event()
        with pytest.raises(LateError):  # and not what the work returns
            await shared.offload(lambda: gate.wait(SOON), (1, 0.1), time.monotonic() + 0.05)
        gate.set()
        shared.close()
        return shared.admission.rows

    assert asyncio.run(late()) == 0


def test_work_that_starts_too_late_is_not_done() -> None:
    with pytest.raises(LateError):
        batcher().compute(FLOWERS, np.ones((1, 4), np.float32), time.monotonic() - 1)


def test_work_that_waits_for_a_thread_until_it_is_too_late_is_not_begun() -> None:
    begun: list[str] = []

    async def late() -> None:
        shared = batcher()
        gate = threading.Event()
        end = time.monotonic() + SOON
        busy = [asyncio.create_task(shared.offload(lambda: gate.wait(SOON), (1, 0.0), end)) for _ in range(THREADS)]
        await asyncio.sleep(0)
        deadline = time.monotonic() + 0.05
        waiting = asyncio.create_task(shared.offload(lambda: begun.append("late"), (1, 0.0), deadline))
        await asyncio.sleep(0)
        # The loop stands still: no timer goes off before a thread is free and finds out by itself.
        time.sleep(0.06)  # noqa: ASYNC251
        gate.set()
        time.sleep(0.06)  # noqa: ASYNC251
        with pytest.raises((LateError, FullError)):  # the latter where this took long to begin
            await waiting
        await asyncio.gather(*busy)
        shared.close()

    asyncio.run(late())
    assert begun == []


def test_of_requests_that_share_a_product_those_that_are_late_are_told_so_and_no_others() -> None:
    async def together() -> Any:
        shared = batcher()
        X = np.ones((2, 4), np.float32)
        late = asyncio.get_running_loop().create_future()
        shared.enqueue(FLOWERS, X, time.monotonic() - 1, late.set_result)
        product = await product_of(shared, X)
        return await late, product, shared.admission.rows

    late, (A, *_), rows = asyncio.run(together())
    assert isinstance(late, LateError)
    assert (len(A), rows) == (2, 0)


def test_full_and_late_become_429_and_504(build: Any, monkeypatch: Any) -> None:
    application = build()
    body = {"json": {"instances": [models.FLOWER_ROW]}}

    def refuse(error: Any) -> Any:
        def enqueue(*_: Any) -> Any:
            raise error

        monkeypatch.setattr(application.batcher, "enqueue", enqueue)
        answer = through_front(application, body)
        return answer.status, answer.headers["retry-after"]

    assert refuse(FullError(7)) == (429, "7")
    assert refuse(LateError(3)) == (504, "3")


def test_many_rows_are_computed_in_a_thread_and_a_failure_there_reaches_the_request(monkeypatch: Any) -> None:
    shared = batcher(thread_rows=8)
    threads: list[str] = []

    def infer(_served: Any, X: Any, _deadline: float) -> Any:
        threads.append(threading.current_thread().name)
        raise LateError(2)

    monkeypatch.setattr(shared, "infer", infer)
    outcome = asyncio.run(outputs_of(shared, np.ones((9, 4), np.float32)))
    shared.close()
    assert (str(outcome), shared.admission.rows) == (str(LateError(2)), 0)
    assert threads[0].startswith("batch")


def test_one_failure_is_told_to_every_request_of_its_turn(monkeypatch: Any) -> None:
    shared = batcher()

    def infer(*_: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(shared, "infer", infer)

    async def together() -> Any:
        return await asyncio.gather(*(outputs_of(shared, np.ones((1, 4), np.float32)) for _ in range(3)))

    assert [str(outcome) for outcome in asyncio.run(together())] == ["no room"] * 3
    assert shared.admission.rows == 0


def test_a_large_body_is_answered_from_a_thread_with_the_same_numbers(build: Any) -> None:
    large = build(thread_bytes=10)
    small = build()
    body = {"json": {"instances": [models.FLOWER_ROW] * 50}}
    assert through_front(large, body).body == through_front(small, body).body


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(st.floats(-1e30, 1e30), min_size=4, max_size=4), min_size=1, max_size=6))
def test_the_fast_and_the_precise_way_answer_the_same(shared_application: Any, rows: Any) -> None:
    fast = through_front(shared_application, {"json": {"instances": rows}})
    precise = through_front(shared_application, {"json": {"instances": rows, "explain": False}})
    assert (fast.status, fast.body) == (precise.status, precise.body)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode), st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["instances", "inputs", "a"]), inner),
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_no_body_is_the_service_s_fault(shared_application: Any, body: Any) -> None:
    answer = through_front(shared_application, {"base64": base64.b64encode(body).decode()})
    assert answer.status in {200, 400, 422}


def test_a_hundred_requests_at_once_each_get_their_own_answer(build: Any) -> None:
    application = build()

    async def ask_all() -> Any:
        requests = [{"json": {"instances": [[i / 10, 1, 1, 1]]}} for i in range(100)]
        return await asyncio.gather(*(ask_front(application, request) for request in requests))

    answers = asyncio.run(ask_all())
    alone = [through_front(application, {"json": {"instances": [[i / 10, 1, 1, 1]]}}) for i in range(100)]
    assert [answer.body for answer in answers] == [answer.body for answer in alone]


def test_the_bytes_of_an_answer_do_not_depend_on_what_is_asked_at_the_same_time(shared_application: Any) -> None:
    has_shared = []

    @settings(max_examples=25, deadline=None)
    @given(
        forms=st.lists(st.tuples(st.sampled_from(["json", "npy"]), st.integers(1, 300)), min_size=2, max_size=7),
        seed=st.integers(0, 2**32 - 1),
    )
    def together_as_alone(forms: Any, seed: Any) -> None:
        rng = np.random.default_rng(seed)
        requests = [request_for(rng.normal(size=(rows, 12)).astype(np.float32), form) for form, rows in forms]
        answers, products = asyncio.run(asked_together(shared_application, requests))
        alone = [through_front(shared_application, request) for request in requests]
        assert [(answer.status, answer.body) for answer in answers] == [(200, answer.body) for answer in alone]
        has_shared.append(products < len(requests))

    together_as_alone()
    assert any(has_shared)


async def asked_together(application: Any, requests: Any) -> Any:
    """Answers, and how many products were made for them."""
    batcher, made = application.batcher, []
    infer = batcher.infer

    def counted(*work: Any) -> Any:
        made.append(work)
        return infer(*work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batcher, "infer", counted)
        return await asyncio.gather(*(ask_front(application, request) for request in requests)), len(made)


def request_for(X: Any, form: str) -> Any:
    path = "/models/wide/predict"
    if form == "json":
        return {"path": path, "json": {"instances": X.tolist()}}
    file = io.BytesIO()
    np.save(file, X)
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    return {"path": path, "headers": headers, "base64": base64.b64encode(file.getvalue()).decode()}


def wide() -> Any:
    """A network of widths that kernels treat in different ways for few and for many rows."""
    schema = Schema(tuple(NumericFeature(f"x{i}", low=-9.0, high=9.0) for i in range(12)))
    network = models.network_of(12, (300, 17), "softmax", seed=3)
    return models.predictor_of(schema, network, ClassOutputs(tuple(range(17)), "y"), [[0.5] * 12])


@pytest.mark.parametrize("promise", [True, False])
def test_the_promise_of_equal_bits_is_a_setting(promise: bool, build: Any) -> None:
    application = build(batch_invariant=promise)
    served = application.runtime.registry.catalog.current("flowers")
    answer = through_front(application, {"json": {"instances": [models.FLOWER_ROW]}})
    expected = served.predictor.network.infer(served.predictor.schema.encode_rows([models.FLOWER_ROW]).X)
    assert served.predictor.network.batch_invariant is promise
    assert json.loads(answer.body)["probabilities"] == [pytest.approx(expected[0].tolist(), rel=1e-5)]


@pytest.fixture(scope="module")
def shared_application(tmp_path_factory: Any) -> Any:
    from service.application import create_application  # noqa: PLC0415
    from service.settings import load_settings  # noqa: PLC0415

    root = tmp_path_factory.mktemp("shared")
    models.publish(FolderRepository(root), "flowers", models.flowers())
    models.publish(FolderRepository(root), "wide", wide())
    application = create_application(load_settings(models=root, default_model="flowers", thread_bytes=2**20))
    yield application
    application.life.stop()
