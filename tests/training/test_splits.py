"""Splits: equal to scikit-learn's by seed, and stable by content."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from training.errors import DataError
from training.splits import can_stratify, class_split, hash_split, random_split, row_hashes
from training.table import Column


def columns(rows: int = 500) -> list[Column]:
    rng = np.random.default_rng(0)
    words = np.array(rng.choice(["red", "green", "7"], rows).tolist(), dtype=object)
    words[::9] = None
    numbers = rng.normal(size=rows)
    numbers[::11] = np.nan
    return [Column("x", numbers), Column("colour", words), Column("id", np.arange(rows))]


@pytest.mark.parametrize("rows", [5, 150, 20_640])
def test_a_random_split_is_that_of_scikit_learn(rows: int) -> None:
    parts = random_split(rows, fraction=0.2, seed=42)
    train, test = train_test_split(np.arange(rows), test_size=0.2, random_state=42)
    np.testing.assert_array_equal(parts.train, train)
    np.testing.assert_array_equal(parts.test, test)


def test_a_stratified_split_is_that_of_scikit_learn() -> None:
    strata = np.arange(100) % 3
    parts = random_split(100, fraction=0.25, seed=7, strata=strata)
    train, test = train_test_split(np.arange(100), test_size=0.25, random_state=7, stratify=strata)
    np.testing.assert_array_equal(parts.train, train)
    np.testing.assert_array_equal(parts.test, test)


def test_classes_of_one_row_cannot_be_kept_in_proportion() -> None:
    assert can_stratify(np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]), 0.2)
    assert not can_stratify(np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), 0.2)
    assert not can_stratify(np.array([0, 0, 1, 1, 2, 2]), 0.2)


def test_one_row_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"1 row: too few to hold out 0\.2 of them; bring more rows, or hold out"):
        random_split(1, fraction=0.2, seed=0)


def test_a_row_stays_on_its_side_when_rows_come_go_and_move() -> None:
    whole = columns()
    hashes = row_hashes(whole, seed=3)
    order = np.random.default_rng(1).permutation(500)[:200]
    moved = [column.take(order) for column in whole]
    np.testing.assert_array_equal(row_hashes(moved, seed=3), hashes[order])
    np.testing.assert_array_equal(row_hashes(whole[::-1], seed=3), hashes)


def test_a_value_counts_the_same_whatever_the_type_of_its_column() -> None:
    as_numbers = [Column("a", np.array([1.0, 0.0, np.nan])), Column("b", np.array([2, 3, 4], dtype=np.uint8))]
    as_text = [
        Column("a", np.array(["1.00", "-0", None], dtype=object)),
        Column("b", np.array(["2", "3.0", "4e0"], dtype=object)),
    ]
    np.testing.assert_array_equal(row_hashes(as_numbers, seed=0), row_hashes(as_text, seed=0))


def test_a_hash_split_keeps_to_its_fraction_and_another_seed_splits_otherwise() -> None:
    parts = hash_split(columns(5000), fraction=0.2, seed=0)
    assert sorted([*parts.train, *parts.test]) == list(range(5000))
    assert 0.18 < len(parts.test) / 5000 < 0.22
    other = hash_split(columns(5000), fraction=0.2, seed=1)
    assert len(np.intersect1d(parts.test, other.test)) < 300


def test_equal_rows_land_on_the_same_side() -> None:
    repeated = Column("x", np.repeat(np.arange(50.0), 4))
    parts = hash_split([repeated], fraction=0.5, seed=0)
    assert not set(repeated.values[parts.train]) & set(repeated.values[parts.test])


def test_another_process_hashes_alike() -> None:
    code = (
        "import numpy as np; from training.splits import row_hashes; from training.table import Column;"
        "print(row_hashes([Column('a', np.array(['x', None], dtype=object))], seed=5).tolist())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = row_hashes([Column("a", np.array(["x", None], dtype=object))], seed=5).tolist()
    assert found.stdout.strip() == str(here)


def test_the_hashes_of_rows_are_part_of_the_format() -> None:
    # A change here would move rows of everybody's data between training and test.
    found = row_hashes([Column("a", np.array([1.5])), Column("b", np.array(["x"], dtype=object))], seed=0)
    assert found.tolist() == [15334748619038843203]


def test_a_class_of_one_row_only_trains() -> None:
    codes = np.array([0] * 20 + [1] * 20 + [2, 3])
    for stratify in (None, True):
        parts = class_split(42, fraction=0.25, seed=0, codes=codes, stratify=stratify)
        assert np.bincount(codes[parts.test], minlength=4).tolist() == [5, 5, 0, 0]
        assert sorted([*parts.train, *parts.test]) == list(range(42))
    everyone = class_split(3, fraction=0.34, seed=0, codes=np.arange(3), stratify=None)
    assert (len(everyone.train), len(everyone.test)) == (1, 2)
    plain = class_split(40, fraction=0.25, seed=0, codes=codes[:40], stratify=None)
    usual = random_split(40, fraction=0.25, seed=0, strata=codes[:40])
    assert plain.test.tolist() == usual.test.tolist()
    assert (
        class_split(42, fraction=0.25, seed=0, codes=codes, stratify=False).test.tolist()
        == random_split(42, fraction=0.25, seed=0).test.tolist()
    )
