"""CSV files: what is read, and what each wrong one is told."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from predictor.delimited import OPEN
from tests.training.helpers import Writer
from training.errors import DataError
from training.problem import pose
from training.sources import SourceOptions, read_source
from training.table import Meaning, Table


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
        ("a,b\x01\n1,2\n", "a.csv: column 2: 'b\ufffd' holds a control character; give it another name"),
        (f"a,{'b' * 257}\n1,2\n", "a.csv: column 2: expected 1 to 256 characters, found 257; give it another name"),
        ("a,b,a\n1,2,3\n", "a.csv: columns 1 and 3 are both named 'a'; rename one"),
        ("a,b\n1,2\n1,2,3\n", "a.csv, line 3: expected 2 cells as in the header, found 3"),
        ('a,b\n"1\n2",2\n\n1\n', "a.csv, line 5: expected 2 cells as in the header, found 1"),
        (b"a,b\n1,2\n\x81,3\n", "a.csv, line 3: expected UTF-8 text, found the byte 0x81"),
        (b"\xff\xfea\n1", "a.csv, line 2: expected utf-16 text, found the byte 0x31"),
        ("1,9\n3,4\n3,4\n5\n", "a.csv, line 4: expected 2 cells as in the first line, found 1"),
        (b"a,b\n1,\x00\n", "a.csv, line 2: expected text, found a NUL byte"),
        ('a,b\n1,"x\ny"\n2,"z\n3,z\n', f"a.csv, line 4: {OPEN}"),
        ('a,b\n1,z\n"2,z\n3,z', f"a.csv, line 3: {OPEN}"),
        ('1,z\r\n2,"z\r\n3,z\r\n', f"a.csv, line 2: {OPEN}"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(write: Writer, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write("a.csv", content))
    assert str(caught.value) == message


def test_a_word_among_many_numbers_is_a_mistake_that_is_named_by_its_line(write: Writer) -> None:
    rows = [f'{i},"two\nlines"' for i in range(50)]
    rows[20] = "12O,x"
    table = read(write("a.csv", "n,m\n\n" + "\n".join(rows)))
    with pytest.raises(DataError) as caught:
        pose(table, target="m", task=None)
    fault = "column 'n': expected a number, found '12O' in line 43 (1 such cell of 50); correct them, call them"
    missing = "missing with --set 'data.missing=[\"12O\"]', or take all cells as they stand with"
    assert str(caught.value) == f"a.csv: {fault} {missing} --set data.kinds.n=category"
    with pytest.raises(DataError) as caught:
        pose(table, target="n", task=None)
    assert str(caught.value) == f"a.csv: target: {fault} {missing} --task classes"
    meaning = pose(table, target="m", task=None, kinds={"n": "category"}).features[0].meaning
    assert meaning is not None
    assert meaning.kind == "category"


@pytest.mark.parametrize(
    ("cells", "values", "reading"),
    [
        (["1,234", "5"], [1234, 5], "numbers such as '1,234', which is read as 1234"),
        (["1,234.5", "-2,000"], [1234.5, -2000], "numbers such as '1,234.5', which is read as 1234.5"),
        (["1.234,56", "12"], [1234.56, 12], "numbers such as '1.234,56', which is read as 1234.56"),
        (["3,14", ",5"], [3.14, 0.5], "numbers such as '3,14', which is read as 3.14"),
        (["1 234,5", "1 234", "\N{MINUS SIGN}7"], [1234.5, 1234, -7], "numbers such as '1 234,5'"),
        (["1'234.5", "2"], [1234.5, 2], "numbers such as '1'234.5', which is read as 1234.5"),
        (
            ["$1,234.50", "$3", "-$4", "($5)"],
            [1234.5, 3, -4, -5],
            "numbers such as '$1,234.50', which is read as 1234.5",
        ),
        (["EUR 5", "EUR 1,000"], [5, 1000], "numbers such as 'EUR 1,000', which is read as 1000"),
        (["12 %", "3.5%"], [12, 3.5], "numbers such as '12 %', which is read as 12"),
        (["12 kg", "3kg"], [12, 3], "numbers such as '12 kg', which is read as 12"),
        (
            ["1", "Unknown", "3", "#DIV/0!", "unknown"],
            [1, np.nan, 3, np.nan, np.nan],
            "3 cells such as 'Unknown' taken",
        ),
    ],
)
def test_numbers_are_read_as_people_write_them(
    write: Writer, cells: list[str], values: list[float], reading: str
) -> None:
    column = read(write("a.csv", "\n".join(["a", *(f'"{cell}"' for cell in cells)]))).columns[0]
    np.testing.assert_array_equal(column.values, values)
    assert column.reading.startswith(reading)


@pytest.mark.parametrize(
    "cells", [["12 kg", "3 lb"], ["$5", "€5"], ["1,23,456", "1"], ["1,5", "1.5"], ["unknown", "n/d"], ["Q1", "Q2"]]
)
def test_what_does_not_agree_over_the_column_is_text(write: Writer, cells: list[str]) -> None:
    column = read(write("a.csv", "\n".join(["a", *(f'"{cell}"' for cell in cells)]))).columns[0]
    assert column.values.tolist() == cells


def test_a_decimal_comma_is_preferred_where_semicolons_separate(write: Writer) -> None:
    assert read(write("a.csv", "a;b\n1,234;x\n2,345;y\n")).columns[0].values.tolist() == [1.234, 2.345]
    assert read(write("a.csv", 'a,b\n"1,234",x\n"2,345",y\n')).columns[0].values.tolist() == [1234, 2345]


def test_leading_zeros_are_codes_unless_the_user_says_otherwise(write: Writer) -> None:
    table = read(write("a.csv", "zip,y\n01067,a\n10115,b\n,a\n"))
    zips = pose(table, target="y", task=None).features[0]
    assert zips.values.tolist() == ["01067", "10115", None]
    assert zips.meaning == Meaning("category", "digits with leading zeros: codes, and no numbers", "number")
    numbers = pose(table, target="y", task=None, kinds={"zip": "number"}).features[0]
    np.testing.assert_array_equal(numbers.values, [1067, 10115, np.nan])


def test_columns_without_a_name_are_called_by_their_place(write: Writer) -> None:
    table = read(write("a.csv", ",x, \n0,1,2\n1,3,4\n"))
    assert table.names == ("column_1", "x", "column_3")
    assert table.notes == ("columns without a name are called 'column_1', 'column_3'",)


@pytest.mark.parametrize(
    ("content", "headed"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6.3,2.5,virginica\n", False),
        ("1,yes\n2,no\n3,yes\n", False),
        ("3,no\n2,no\n3,yes\n", False),
        ("a,b\n1,2\n3,4\n", True),
        ("country,2019,2020\nPeru,1,2\nChad,3,4\n", True),
        ("0,1,2\n5,6,7\n8,9,3\n", True),
        ("x,1\n2,3\n4,5\n", True),
        ("name,7\nann,3\nbob,5\n", True),
        ("ann,bob\ncy,dan\neve,fay\n", True),
        ("1,2\n3,4\n", True),
    ],
)
def test_a_file_without_a_header_is_told_by_its_numbers(write: Writer, content: str, headed: bool) -> None:
    table = read(write("a.csv", content))
    assert table.rows == content.count("\n") - headed
    assert (table.names[0] == "column_1") is not headed
    assert any("otherwise --set data.header=true" in note for note in table.notes) is not headed
    assert read_source(str(write("a.csv", content)), SourceOptions(header=True)).rows == content.count("\n") - 1
    assert read_source(str(write("a.csv", content)), SourceOptions(header=False)).rows == content.count("\n")


def test_other_encodings_are_read_and_said(write: Writer) -> None:
    text = "città,prezzo\nForlì,5 €\n"
    windows = read(write("a.csv", text.encode("windows-1252")))
    assert windows.names == ("città", "prezzo")
    fault = "read as windows-1252, not UTF-8: line 1 has the byte 0xe0, 'à'; if that is wrong, name the encoding"
    assert windows.notes == (f"{fault}: --set data.encoding=NAME",)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-8"):
        table = read(write("a.csv", text.encode(encoding)))
        assert (table.names, table.notes) == (("città", "prezzo"), ())
    named = read_source(str(write("a.csv", text.replace("€", "E").encode("cp850"))), SourceOptions(encoding="cp850"))
    assert named.columns[0].values.tolist() == ["Forlì"]
    with pytest.raises(DataError, match="line 1: expected ascii text, found the byte 0xc3"):
        read_source(str(write("a.csv", text)), SourceOptions(encoding="ascii"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("cell", ['"two\nlines"', '5" pipe', '"say ""hi""\n"'])
def test_a_quote_that_is_closed_or_is_no_quote_ends_a_table(write: Writer, cell: str, end: str) -> None:
    assert read(write("a.csv", f'a,b\n1,x\n2,6" pipe\n3,{cell}{end}')).rows == 3


def test_a_pointer_of_git_lfs_says_how_to_fetch_the_table(write: Writer) -> None:
    path = write("a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(DataError, match=r"expected CSV, found a pointer of Git LFS; fetch .*: git lfs pull"):
        read(path)


def test_gzip_is_read_and_a_workbook_is_not(write: Writer) -> None:
    data = gzip.compress(b"a,b\n1,2\n")
    assert read(write("a.csv.gz", data)).columns[1].values.tolist() == [2]
    with pytest.raises(DataError, match=r"a\.csv\.gz: expected a gzip file, and it cannot be read"):
        read(write("a.csv.gz", data[:-9]))
    with pytest.raises(DataError, match=r"a\.xlsx: expected a CSV or Parquet file, found a workbook"):
        read(write("a.xlsx", b"PK\x03\x04"))


@pytest.mark.parametrize(
    ("before", "lines"),
    [("\n\n", 2), ("# made by a tool\n# in 2024\n", 2), ("Sales of 2024\n\n", 2), ("sep=;\n", 1), ("\n\nsep=;\n", 3)],
)
def test_lines_before_the_table_are_left_out_and_said(write: Writer, before: str, lines: int) -> None:
    separator = ";" if "sep" in before else ","
    table = read(write("a.csv", before + "x,y\n1,a\n2,b\n3,a".replace(",", separator)))
    assert (table.names, table.rows, table.place(2)) == (("x", "y"), 3, f"line {lines + 3}")
    said = f"the first {f'{lines} lines are' if lines > 1 else 'line is'} no part of the table and left out"
    assert table.notes == ((said,) if before.strip() else ())
    with pytest.raises(DataError, match=f"line {lines + 3}: expected 2 cells as in the header, found 1"):
        read(write("a.csv", before + "x,y\n1,a\n2\n3,a\n4,b".replace(",", separator)))


@pytest.mark.parametrize(
    ("content", "kind"), [('[{"a": 1}]', "JSON"), ('\n{"a": 1}', "JSON"), ("<!DOCTYPE html><p>404", "a page or XML")]
)
def test_what_is_another_format_is_refused_by_its_name(write: Writer, content: str, kind: str) -> None:
    with pytest.raises(DataError, match=f"a.csv: expected CSV, found {kind}; save the table as CSV"):
        read(write("a.csv", content))


def test_text_with_the_other_separators_in_it_is_divided_by_the_one_that_fits(write: Writer) -> None:
    table = read(write("a.csv", "name, first;age;note\nA, b;1;x, y, z\nC, d;2;u\n"))
    assert table.names == ("name, first", "age", "note")
    assert read(write("a.csv", "a|b\n1|2\n")).names == ("a", "b")


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1_000", "0x10", "1.2.3", "C5", "5 - 6"])
def test_words_that_python_or_people_take_for_numbers_are_text(write: Writer, word: str) -> None:
    assert not read(write("a.csv", f'a\n"{word}"\n')).columns[0].is_numeric


def test_a_missing_file_names_what_may_have_been_meant() -> None:
    with pytest.raises(DataError, match=r"'irsi' is no file, folder, recipe or data set; did you mean 'iris'\?"):
        read("irsi")


def test_a_path_that_is_not_there_names_the_file_beside_it(write: Writer, tmp_path: Path) -> None:
    path = write("data/flats.csv", "a\n1\n")
    write("data/about.txt", "flats")
    cases = {
        tmp_path / "data" / "flat.csv": f"; did you mean '{path}'?",
        tmp_path / "data" / "quite-another.parquet": "is no file, folder, recipe or data set",
        tmp_path / "date" / "flats.csv": f"; there is no folder '{tmp_path / 'date'}'",
    }
    for source, message in cases.items():
        with pytest.raises(DataError) as caught:
            read(source)
        assert str(caught.value).endswith(message)
    with pytest.raises(DataError, match=re.escape(f"found neither; name a file, such as '{path}'")):
        read(tmp_path / "data")


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected Parquet files or MNIST's IDX files in the folder, found neither"):
        read(tmp_path)
