"""CSV files: what is read, and what each wrong one is told."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.helpers import Writer
from training.errors import DataError
from training.sources import SourceOptions, read_source
from training.table import Table


def read(path: Path | str, missing: tuple[str, ...] = ()) -> Table:
    return read_source(str(path), SourceOptions(missing=missing))


def test_numbers_text_and_missing_cells_are_told_apart(write: Writer) -> None:
    path = write("a.csv", "age,city,note\n 1.5 ,Rome,x\n?,,y\nNA, Bonn ,N/A\n-2e3,Rome,null\n")
    age, city, note = read(path).columns
    np.testing.assert_array_equal(age.values, [1.5, np.nan, np.nan, -2000.0])
    assert city.values.tolist() == ["Rome", None, "Bonn", "Rome"]
    assert note.values.tolist() == ["x", "y", None, None]
    assert [column.is_numeric for column in (age, city, note)] == [True, False, False]
    assert age.is_missing.tolist() == [False, True, True, False]
    assert city.is_missing.tolist() == [False, True, False, False]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_in_the_header(write: Writer, delimiter: str) -> None:
    text = "a,b\n1,2\n3,4\n".replace(",", delimiter)
    table = read(write("a.csv", text))
    assert table.names == ("a", "b")
    assert table.columns[1].values.tolist() == [2.0, 4.0]


def test_a_byte_order_mark_windows_lines_quotes_and_line_breaks_in_cells_are_read(write: Writer) -> None:
    data = b'\xef\xbb\xbf"a","b"\r\n"one, two","line\r\nbreak"\r\n\r\nx,"say ""hi"""\r\n'
    table = read(write("a.csv", data))
    assert table.names == ("a", "b")
    assert table.columns[0].values.tolist() == ["one, two", "x"]
    assert table.columns[1].values.tolist() == ["line\r\nbreak", 'say "hi"']


def test_more_words_for_missing_can_be_given(write: Writer) -> None:
    path = write("a.csv", "a\n1\nunknown\n")
    assert read(path, missing=("Unknown",)).columns[0].is_numeric


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv: expected a header and rows, found an empty file"),
        (" \n\n", "a.csv: expected a header and rows, found an empty file"),
        ("a,b\n", "a.csv: expected rows below the header, found none"),
        ("a,b,a\n1,2,3\n", "a.csv: columns 1 and 3 are both named 'a'"),
        ("a, ,c\n1,2,3\n", "a.csv: column 2 of the header has no name"),
        ("a,b\n1,2\n1,2,3\n", "a.csv, line 3: expected 2 cells as in the header, found 3"),
        ('a,b\n"1\n2",2\n\n1\n', "a.csv, line 5: expected 2 cells as in the header, found 1"),
        (b"a,b\n1,2\n\xff,3\n", "a.csv, line 3: expected UTF-8 text, found the byte 0xff"),
        (b"a,b\n1,\x00\n", "a.csv, line 2: expected text, found a NUL byte"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(write: Writer, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write("a.csv", content))
    assert str(caught.value) == message


def test_a_word_among_many_numbers_is_a_mistake_and_not_a_category(write: Writer) -> None:
    rows = [str(i) for i in range(50)]
    rows[20] = "12O"
    with pytest.raises(DataError) as caught:
        read(write("a.csv", "n,m\n" + "".join(f"{row},1\n" for row in rows)))
    assert str(caught.value) == (
        "a.csv: column 'n': expected numbers, found '12O' in data row 21 (1 such cells of 50);"
        " correct them, or call them missing with --set data.missing='[\"12O\"]'"
    )


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1_000", "0x10", "1,5"])
def test_words_that_python_or_people_take_for_numbers_are_text(write: Writer, word: str) -> None:
    assert not read(write("a.csv", f'a\n"{word}"\n')).columns[0].is_numeric


def test_a_missing_file_names_what_may_have_been_meant() -> None:
    with pytest.raises(DataError, match=r"'irsi' is no file, folder, recipe or data set; did you mean 'iris'\?"):
        read("irsi")


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected Parquet files or MNIST's IDX files in the folder, found neither"):
        read(tmp_path)
