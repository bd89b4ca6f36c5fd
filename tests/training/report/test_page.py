"""report.html and report.json of a published version."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.helpers import Command

HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "br", "hr", "img", "input", "link"}
SECTIONS = ["quality", "calibration", "importance", "slices", "data", "card", "recipe", "lineage"]


class Outline(HTMLParser):
    """What a page is made of; every element must be closed in the right order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def fitted(command: Command, models: Path, folder: Path, text: str, *words: str) -> tuple[str, dict[str, Any]]:
    table = folder / "table.csv"
    table.write_text(text, encoding="utf-8")
    done = command("fit", table, "--target", "y", "--name", "page", "--set", "fit.epochs=10", *words)
    assert done.code == 0, done.err
    version = models / "page" / "1"
    return (version / "report.html").read_text(encoding="utf-8"), json.loads((version / "report.json").read_text())


def classes(name: str = "second") -> str:
    rows = "\n".join(f"{i},{i % 7},{'ab'[i % 3 == 0]}" for i in range(300))
    quoted = name.replace('"', '""')
    return f'first,"{quoted}",y\n{rows}\n'


def test_the_page_is_whole_and_needs_nothing_else(command: Command, models: Path, tmp_path: Path) -> None:
    page, _ = fitted(command, models, tmp_path, classes())
    found = outline(page)
    anchors = [value for key, value in found.attributes if key == "id" and value in SECTIONS]
    assert anchors == SECTIONS
    links = [value for key, value in found.attributes if key in {"href", "src", "xlink:href"} and value is not None]
    assert [link for link in links if not link.startswith("#")] == []
    assert {f"#{anchor}" for anchor in SECTIONS} <= set(links)
    ids = [value for key, value in found.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert not re.search(r"url\((?!#)|@import", page)
    assert "default-src 'none'" in page
    assert found.tags.count("figure") == 4


def test_names_and_values_that_look_like_html_are_text(command: Command, models: Path, tmp_path: Path) -> None:
    page, facts = fitted(command, models, tmp_path, classes(HOSTILE).replace(",a\n", ",<img src=x onerror=alert(1)>\n"))
    found = outline(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert any(HOSTILE in text for text in found.text)
    assert HOSTILE in [column["name"] for column in facts["columns"]]


def test_pictures_take_the_colours_of_the_page(command: Command, models: Path, tmp_path: Path) -> None:
    page, _ = fitted(command, models, tmp_path, classes())
    pictures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert pictures
    assert all("currentColor" in picture and 'role="img"' in picture for picture in pictures)
    assert not any(re.search(r"fill: #(fff|000)|stroke: #000", picture) for picture in pictures)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_page_says_what_the_facts_say(command: Command, models: Path, tmp_path: Path) -> None:
    page, facts = fitted(command, models, tmp_path, classes())
    text = " ".join(outline(page).text)
    assert f"{facts['metrics']['test.accuracy']:.4g}" in text
    low, high = facts["intervals"]["accuracy"]
    assert low <= facts["metrics"]["test.accuracy"] <= high
    assert f"Expected calibration error: {facts['calibration']['error']:.4g}" in text
    assert sum(one["rows"] for one in facts["calibration"]["bins"]) == facts["rows"]["test"] == 60
    assert facts["target"] == {"name": "y", "task": "classes", "labels": ["a", "b"], "counts": [200, 100]}
    assert facts["history"]["epoch"] == list(range(1, 11))
    left_out = next(column for column in facts["columns"] if column["name"] == "first")
    assert left_out["used"] is False
    assert "it numbers the rows" in text


def test_the_card_has_what_people_said_and_what_is_known(command: Command, models: Path, tmp_path: Path) -> None:
    said = ("--set", "card.use=Sorting letters, not judging people", "--set", 'card.contact="a@example.org"')
    page, facts = fitted(command, models, tmp_path, classes(), *said)
    text = " ".join(outline(page).text)
    assert facts["recipe"]["card"] == {"use": "Sorting letters, not judging people", "contact": "a@example.org"}
    assert "Sorting letters, not judging people" in text
    assert "Not said. The recipe's `card.not_for` is the place to say it." in text
    assert "Only 60 rows tested it" in text
    assert "Outside the ranges of the training rows" in text


def test_classes_that_are_taken_for_one_another_are_listed(command: Command, models: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 3},{'abcd'[i % 4]}" for i in range(400))
    page, facts = fitted(command, models, tmp_path, f"x,y\n{rows}\n")
    counts = facts["confusion"]["counts"]
    most = max(count for i, row in enumerate(counts) for j, count in enumerate(row) if i != j)
    assert re.search(rf'Taken for one another</h3>.*?<td class="number">{most}</td>', page, re.DOTALL)


def test_a_regression_shows_predictions_over_the_truth(command: Command, models: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 17},{2.5 * (i % 17) + 0.1 * i}" for i in range(300))
    page, facts = fitted(command, models, tmp_path, f"x,y\n{rows}\n")
    assert page.count("<figure>") == 4
    assert "Residuals, test part" in page
    assert facts["target"]["lowest"] == 0
    assert list(facts["residuals"].values()) == sorted(facts["residuals"].values())
    assert facts["slices"]["measure"] == "mean absolute error"
    assert 'id="calibration"' not in page


def test_weak_places_are_said_at_the_end_of_a_fit(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["x,district,y"]
    for i in range(1500):
        x, district = rng.normal(), ("north", "south", "west\x1b")[i % 3]
        is_yes = x > 0 if district != "west\x1b" else rng.random() > 0.5
        lines.append(f"{x:.3f},{district},{'yes' if is_yes else 'no'}")
    table = tmp_path / "districts.csv"
    table.write_text("\n".join(lines) + "\n")
    ran = command("fit", table, "--target", "y", "--set", "fit.epochs=10")
    assert "\n  Weak where district is west\N{REPLACEMENT CHARACTER}: share of wrong answers 0." in ran.out
    assert ran.out.count("Weak where") <= 3


def test_a_page_without_test_rows_says_so(command: Command, models: Path, tmp_path: Path) -> None:
    page, facts = fitted(command, models, tmp_path, classes(), "--split", "none", "--set", "fit.stopping.monitor=loss")
    assert facts["judged"] == "train"
    assert "No rows were held out, so that how it does on new rows is not known." in page


def test_dates_are_shown_as_dates(command: Command, models: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"2024-{1 + i % 12:02}-{1 + i % 28:02},{'ab'[i % 12 > 6]}" for i in range(600))
    page, facts = fitted(command, models, tmp_path, f"when,y\n{rows}\n")
    column = facts["columns"][0]
    assert (column["earliest"], column["latest"]) == ("2024-01-01", "2024-12-28")
    assert "2024-01-01 to 2024-12-28" in page
    assert any(one["column"] == "when" and "2024-" in one["part"] for one in facts["slices"]["worst"])


@pytest.mark.parametrize("letters", ["$x$ & <b>", "日本語", "W" * 80])
def test_labels_in_any_script_are_drawn(command: Command, models: Path, tmp_path: Path, letters: str) -> None:
    page, _ = fitted(command, models, tmp_path, classes().replace(",a\n", f",{letters}\n"))
    outline(page)


def test_decisions_that_are_alike_share_a_line(command: Command, models: Path, tmp_path: Path) -> None:
    head = ",".join([*(f"same{i}" for i in range(20)), "x", "y"])
    lines = "\n".join(",".join([*["7"] * 20, str(i % 11), "ab"[i % 2]]) for i in range(120))
    page, facts = fitted(command, models, tmp_path, f"{head}\n{lines}\n")
    assert sum(one["what"] == "left out" for one in facts["decisions"]) == 20
    assert page.count("the same in every training row") == 1
    assert "same7 and 12 more" in page


def test_many_columns_are_listed_up_to_a_hundred(command: Command, models: Path, tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(130)]
    lines = "\n".join(",".join([*(str((i * j) % 11) for j in range(1, 131)), "ab"[i % 2]]) for i in range(120))
    page, facts = fitted(command, models, tmp_path, f"{','.join(names)},y\n{lines}\n")
    assert len(facts["columns"]) == 100
    assert facts["more_columns"] == 30
    assert "and 30 more columns" in page
    assert sum(facts["features"].values()) == 130
    assert f"from {facts['features']['used']} columns by" in page
