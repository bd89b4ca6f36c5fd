"""Tables whose cells are pages of text."""

import tracemalloc
from pathlib import Path

import training.cli

PAGE = "a page of text\n" * 30_000  # 450,000 letters: at that width 200 cells would take 360 MB


def test_one_long_cell_costs_its_own_letters_and_not_those_of_every_row(tmp_path: Path) -> None:
    reviews = [PAGE if row == 5 else f"text {row // 4}" for row in range(200)]
    lines = [f'{row * 7 % 50},"{review}",{"yes" if row % 3 else "no"}' for row, review in enumerate(reviews)]
    (tmp_path / "reviews.csv").write_text("\n".join(["stars,review,good", *lines]))
    arguments = ["fit", str(tmp_path / "reviews.csv"), "--target", "good", "--set", "fit.epochs=1"]
    tracemalloc.start()
    try:
        assert training.cli.main([*arguments, "--models", str(tmp_path / "models")]) == 0
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()
    folder = tmp_path / "models" / "reviews" / "1"
    assert {path.name for path in folder.iterdir() if path.stat().st_size > 2**20} == set()
