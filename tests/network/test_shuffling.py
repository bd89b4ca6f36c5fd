"""The order of rows: every order as likely as any other, the same for the same seed, for few rows and for many."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network import LOSSES, MLP, Adam, FitOptions, Layer, Trainer, training_rows
from network import shuffling as module
from network.shuffling import LARGE, shuffle, shuffle_by_digits, shuffle_by_exchanges
from tests.network.networks import mlp

Way = Callable[[np.ndarray, np.random.Generator], None]

WAYS: dict[str, Way] = {
    "exchanges": shuffle_by_exchanges,
    "digits": shuffle_by_digits,
    "two values to draw": partial(shuffle_by_digits, digits=4),
    "all draw the same": partial(shuffle_by_digits, digits=3),
}


def order_of(way: Way, rows: int, seed: int = 0) -> np.ndarray:
    order = np.full(rows, -1)
    way(order, np.random.default_rng(seed))
    return order


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_order_is_as_likely_as_any_other(way: Way) -> None:
    rows, each = 5, 60
    rng, order, seen = np.random.default_rng(1), np.empty(rows, np.int64), Counter[tuple[int, ...]]()
    for _ in range(each * math.factorial(rows)):
        way(order, rng)
        seen[tuple(order.tolist())] += 1
    assert len(seen) == math.factorial(rows)
    squares = sum((count - each) ** 2 / each for count in seen.values())
    assert 70 < squares < 181  # chi-squared with 119 degrees of freedom: all but one in ten thousand on either side


def test_every_order_is_as_likely_where_what_drew_the_same_lies_in_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 2)
    test_every_order_is_as_likely_as_any_other(WAYS["all draw the same"])


@given(st.integers(1, 3000), st.integers(0, 20), st.integers(0, 9))
def test_every_row_is_there_once_whatever_drew_the_same(rows: int, drawn: int, seed: int) -> None:
    digits = min(64, (rows - 1).bit_length() + drawn)
    found = order_of(partial(shuffle_by_digits, digits=digits), rows, seed)
    assert sorted(found.tolist()) == list(range(rows))


@pytest.mark.parametrize("rows", [1, 2, 1000, LARGE - 1, LARGE, LARGE + 1])
def test_many_rows_are_shuffled_by_digits_and_the_same_seed_gives_the_same_order(rows: int) -> None:
    found = order_of(shuffle, rows)
    expected = order_of(shuffle_by_digits if rows >= LARGE else shuffle_by_exchanges, rows)
    assert np.array_equal(found, expected)
    assert np.bincount(found, minlength=rows).max() == 1
    assert rows <= 2 or not np.array_equal(found, order_of(shuffle, rows, seed=1))


@pytest.mark.parametrize("rows", [2**19, 2**19 + 1])
def test_many_rows_keep_the_order_that_a_seed_always_gave_them(rows: int) -> None:
    digits = 64 - (rows - 1).bit_length()
    drawn = np.random.default_rng(0).integers(2**digits, size=rows, dtype=np.uint64)
    assert np.array_equal(order_of(shuffle, rows), np.argsort(drawn, kind="stable"))


def test_few_rows_keep_the_order_that_a_seed_always_gave_them() -> None:
    for rows in (1000, 2**19 - 1):
        assert np.array_equal(order_of(shuffle, rows), np.random.default_rng(0).permutation(rows))


def test_a_fit_of_many_rows_goes_on_to_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((LARGE + 3, 4), dtype=np.float32)
    assert _goes_on_to_the_same_bits(mlp(Layer(2, dropout=0.1), Layer(1, "identity"), dtype=np.float32), X, 2**15)


@pytest.mark.parametrize("rows", [49, 50, 51])
def test_a_fit_goes_on_to_the_same_bits_at_the_number_that_is_large(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 50)
    X = np.random.default_rng(0).standard_normal((rows, 4), dtype=np.float32)
    assert _goes_on_to_the_same_bits(mlp(Layer(8, dropout=0.1), Layer(1, "identity"), dtype=np.float32), X, 7)


def _goes_on_to_the_same_bits(network: MLP, X: np.ndarray, batch: int) -> bool:
    """Fit three epochs, and the last two again from a checkpoint, with a generator that only that can set right."""
    options = FitOptions(LOSSES["half_squared"](), Adam(), batch_size=batch)
    data = training_rows(network, options.loss, X, X[:, 0] * X[:, 1])
    whole, again = (Trainer(network, options, np.random.default_rng(seed)) for seed in (0, 9))
    whole.epoch(data)
    checkpoint = whole.checkpoint()
    again.resume(checkpoint)
    for trainer in (whole, again):
        trainer.epoch(data)
        trainer.epoch(data)
    return whole.mlp.parameters.flat.tobytes() == again.mlp.parameters.flat.tobytes()
