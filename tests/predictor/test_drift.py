"""Live rows beside those of training: counts in bins, and the index of a shift."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network import Architecture, Layer
from predictor import (
    CategoricalFeature,
    ClassOutputs,
    Golden,
    Histogram,
    NumericFeature,
    Predictor,
    Reference,
    Schema,
)
from predictor.drift import FEWEST_ROWS, Bins, Shift
from tests.predictor.models import houses, mlp, tides, visits

EDGES = (0.0, 1.0, 2.0, 4.0)
COUNTS = (100, 300, 600)


def numbers() -> Predictor:
    """Two numbers to two classes, with a reference of a thousand rows."""
    features = (
        NumericFeature("a", low=0.0, high=4.0, missing=1.0, histogram=Histogram(EDGES, COUNTS)),
        NumericFeature("b", low=-1.0, high=1.0),
    )
    network = mlp(Architecture(2, (Layer(2, "softmax"),)))
    schema = Schema(features)
    golden = Golden(((1.0, 0.0),), network.infer(schema.encode_rows([[1.0, 0.0]]).X))
    reference = Reference(1000, (100, 0), labels=(500, 500))
    return Predictor(schema, network, ClassOutputs(("no", "yes"), "y"), golden, {}, {}, {}, reference=reference)


def shifts(rows: Any, A: Any = None, predictor: Predictor | None = None) -> tuple[list[Shift], list[Shift]]:
    bins = Bins(predictor or numbers())
    values = np.asarray(rows, dtype=np.float64)
    counts = bins.count(values, np.tile([0.9, 0.1], (len(values), 1)) if A is None else A)
    assert bins.rows(counts) == len(values)
    return bins.features(counts), bins.predictions(counts)


def like_training(rows: int) -> list[list[float]]:
    shares = [(np.nan, 0.1), (0.5, 0.09), (1.5, 0.27), (3.0, 0.54)]
    return [[value, 0.0] for value, share in shares for _ in range(round(share * rows))]


def test_rows_like_those_of_training_are_steady() -> None:
    features, predictions = shifts(like_training(1000))
    first = features[0]
    assert (first.state, first.missing, first.missing_expected, first.outside) == ("steady", 0.1, 0.1, 0.0)
    assert first.psi == pytest.approx(0.0, abs=1e-3)
    assert first.seen == pytest.approx((0.1, 0.3, 0.6))
    assert first.expected == pytest.approx((0.1, 0.3, 0.6))
    assert predictions[0].seen == (1.0, 0.0)


def test_the_index_is_the_sum_over_bins() -> None:
    rows = [[0.5, 0.0]] * 300 + [[1.5, 0.0]] * 300 + [[3.0, 0.0]] * 300 + [[np.nan, 0.0]] * 100
    a, e = np.array([100, 300, 300, 300]) / 1000, np.array([100, 100, 300, 600]) / 1100
    assert shifts(rows)[0][0].psi == pytest.approx(float(np.sum((a - e) * np.log(a / e))))


@pytest.mark.parametrize(
    ("value", "outside", "missing"), [(-0.001, 1.0, 0.0), (4.001, 1.0, 0.0), (4.0, 0.0, 0.0), (np.nan, 0.0, 1.0)]
)
def test_what_is_out_of_range_or_missing_is_told_apart(value: float, outside: float, missing: float) -> None:
    found = shifts([[value, 0.0]] * 100)[0][0]
    assert (found.outside, found.missing) == (outside, missing)
    assert found.state == "drifted"


def test_few_rows_say_nothing() -> None:
    found = shifts([[9.0, 9.0]] * (FEWEST_ROWS - 1))[0]
    assert [(shift.state, shift.psi) for shift in found] == [("unknown", None)] * 2
    assert found[1].outside == 1.0


def test_what_chance_alone_would_give_is_no_shift() -> None:
    rng = np.random.default_rng(0)
    steady = 0
    for _ in range(100):
        drawn = rng.choice([0.5, 1.5, 3.0], p=[0.1, 0.3, 0.6], size=60)
        values = np.where(rng.random(60) < 100 / 1100, np.nan, drawn)
        steady += shifts(np.column_stack([values, np.zeros(60)]))[0][0].state == "steady"
    assert steady >= 90


def test_categories_are_counted_known_unknown_and_missing() -> None:
    bins = Bins(houses())
    columns: Sequence[Any] = ((50.0, 250.0, None), ("paved", None, "gravel"), ("Ω", "new", "a"))
    area, street, roof = bins.features(bins.count(columns, np.zeros((3, 1))))
    assert [part.seen for part in (area, street, roof)] == [(0.5, 0.5), (0.5, 0.5), (0.5, 0.0, 0.5)]
    assert [part.missing for part in (area, street, roof)] == pytest.approx([1 / 3, 1 / 3, 0])
    assert [part.outside for part in (area, street, roof)] == pytest.approx([0, 0, 1 / 3])
    assert area.missing_expected is None
    assert roof.bins == ("a", "b/c", "Ω")
    assert bins.predictions(np.zeros(bins.size, np.int64)) == []


def test_categories_that_were_too_rare_to_be_told_apart_are_expected() -> None:
    schema = replace(tides().schema, features=tides().schema.features[2:3])  # 14 rows, 2 of them of other moons
    network = mlp(Architecture(2, (Layer(1, "identity"),)))
    golden = Golden((("new",),), network.infer(schema.encode_rows([["new"]]).X))
    moon = Bins(Predictor(schema, network, tides().outputs, golden, {}, {}, {}))
    (found,) = moon.features(moon.count([("new", "half", "quarter", "full")], np.zeros((4, 1))))
    assert [found.outside, found.outside_expected] == pytest.approx([0.5, 2 / 14])


def test_of_a_column_that_is_often_missing_rare_categories_are_expected_among_the_rest() -> None:
    schema = Schema(
        (CategoricalFeature("c", ("a", "b"), missing="a", unknown="bucket", counts=(500, 300), others=100),)
    )
    network = mlp(Architecture(2, (Layer(2, "softmax"),)))
    golden = Golden((("a",),), network.infer(schema.encode_rows([["a"]]).X))
    reference = Reference(1000, (100,), labels=(500, 500))
    outputs = ClassOutputs(("no", "yes"), "y")
    bins = Bins(Predictor(schema, network, outputs, golden, {}, {}, {}, reference=reference))
    (found,) = bins.features(bins.count([["a"]], np.zeros((1, 2))))
    assert (found.missing_expected, found.outside_expected) == pytest.approx((0.1, 0.9 * 100 / 900))


def test_predictions_that_are_numbers_have_bins_of_their_own() -> None:
    reference = Reference(10, (0, 0, 0), values=(Histogram((100.0, 200.0, 300.0), (5, 5)),))
    bins = Bins(replace(houses(), reference=reference))
    columns: Sequence[Any] = ((50.0,) * 3, ("paved",) * 3, ("a",) * 3)
    found = bins.predictions(bins.count(columns, np.array([[-1.0], [1.0], [9.0]])))[0]
    assert found.name == "price"
    assert found.seen == pytest.approx((1 / 3, 2 / 3))
    assert found.outside == pytest.approx(1 / 3)


def test_rare_categories_are_counted_as_one() -> None:
    names = tuple(f"c{i}" for i in range(200))
    feature = CategoricalFeature("c", names, counts=(1,) * 200)
    predictor = houses()
    network = mlp(Architecture(200, (Layer(1, "identity"),)))
    golden = Golden((("c0",),), np.zeros((1, 1)))
    one = Predictor(Schema((feature,)), network, predictor.outputs, golden, {}, {}, {})
    bins = Bins(one)
    found = bins.features(bins.count([names], np.zeros((200, 1))))[0]
    assert len(found.seen) == 64
    assert found.bins[-1] == "all others"
    assert found.psi == pytest.approx(0.0, abs=1e-9)


@given(st.lists(st.tuples(st.floats(width=32) | st.none(), st.floats(-2, 2)), min_size=1, max_size=30))
def test_however_rows_are_given_they_are_counted_alike(rows: Any) -> None:
    bins = Bins(numbers())
    values = np.array([[np.nan if cell is None else cell for cell in row] for row in rows], dtype=np.float64)
    A = np.tile([0.2, 0.8], (len(rows), 1))
    by_column = bins.count(list(zip(*rows, strict=True)), A)
    assert np.array_equal(bins.count(values, A), by_column)
    assert bins.rows(by_column) == len(rows)


def test_dates_go_on_and_only_their_absence_can_drift() -> None:
    predictor = replace(visits(), reference=Reference(1000, (100, 0, 0), values=(Histogram((0.0, 1.0), (1000,)),)))
    bins = Bins(predictor)
    for missing, state in ((10, "steady"), (60, "drifted")):
        on = [None] * missing + ["2099-01-01"] * (100 - missing)
        counts = bins.count([on, ["9:15"] * 100, [2.0] * 100], np.zeros((100, 1)))
        shift = bins.features(counts)[0]
        assert (bins.rows(counts), shift.missing, shift.state) == (100, missing / 100, state)


def test_rare_and_numeric_categories_are_no_drift() -> None:
    feature = CategoricalFeature("code", ("1", "2"), unknown="bucket", counts=(500, 300), others=200)
    schema = Schema((feature,))
    network = mlp(Architecture(2, (Layer(2, "softmax"),)))
    golden = Golden((("1",),), network.infer(schema.encode_rows([["1"]]).X))
    reference = Reference(1000, (0,), labels=(500, 500))
    outputs = ClassOutputs(("no", "yes"), "y")
    bins = Bins(Predictor(schema, network, outputs, golden, {}, {}, {}, reference=reference))
    counts = bins.count([[1, 2, "1", "2", 1.0] * 16 + [9, "rare"] * 10], np.zeros((100, 2)))
    shift = bins.features(counts)[0]
    assert (shift.outside, shift.seen) == (0.2, (0.6, 0.4))
    assert shift.state == "steady"


def test_what_chance_gives_is_drawn_where_rows_are_few() -> None:
    """Bins that hardly any row of training was in: the formula is made for fuller ones."""
    rng = np.random.default_rng(0)
    middles = (0.5, 1.5, 3.0)

    def above(shares: Sequence[float]) -> int:
        """Return how often, of a hundred times, the index of sixty rows is above what chance gives."""
        found = 0
        for _ in range(100):
            histogram = Histogram(EDGES, tuple(rng.multinomial(300, (0.003, 0.01, 0.987)).tolist()))
            features = (
                NumericFeature("a", low=0.0, high=4.0, histogram=histogram),
                NumericFeature("b", low=-1, high=1),
            )
            reference = Reference(300, (0, 0), labels=(150, 150))
            bins = Bins(replace(numbers(), schema=Schema(features), reference=reference))
            rows = [[value, 0.0] for value in rng.choice(middles, 60, p=shares)]
            counts = bins.count(np.array(rows), np.tile([0.9, 0.1], (60, 1)))
            psi, chance = bins.features(counts)[0].psi, bins.by_chance(counts, share=0.99, rng=rng)[0]
            found += psi is not None and chance is not None and psi > chance
        return found

    assert above((0.003, 0.01, 0.987)) <= 5
    assert above((0.2, 0.01, 0.79)) >= 95


def test_too_few_rows_have_no_chance_either() -> None:
    bins = Bins(numbers())
    rows = np.array(like_training(1000))[: FEWEST_ROWS - 1]
    counts = bins.count(rows, np.tile([0.9, 0.1], (len(rows), 1)))
    assert bins.by_chance(counts, share=0.99, rng=np.random.default_rng(0)) == [None, None]
