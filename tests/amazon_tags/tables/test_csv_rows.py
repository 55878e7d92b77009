from pathlib import Path

import pytest

from amazon_tags.tables import csv_rows

NEEDED = ("image_name", "tags")


def parse(content, required=NEEDED):
    return csv_rows.parse(Path("t.csv"), content, required)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("last", [True, False])
def test_every_dialect_of_a_table_reads_the_same(end, mark, quote, last):
    lines = [["image_name", "tags"], ["a", "x y"], ["b", ""]]
    text = end.join(",".join(f"{quote}{cell}{quote}" for cell in line) for line in lines) + end * last
    table = parse(mark + text.encode())
    assert table.columns == NEEDED
    assert table.cells == lines[1:]
    assert table.lines == [2, 3]


def test_blank_lines_and_line_ends_in_quotes_count_as_lines():
    table = parse(b'\nimage_name,tags\n\na,"x\ny"\n  \nb,z\n')
    assert table.lines == [4, 7]
    assert csv_rows.column(table, "tags") == ["x\ny", "z"]


def test_columns_may_be_in_any_order_among_others():
    table = parse(b"fold, tags ,image_name\n1,x,a\n")
    assert csv_rows.column(table, "tags") == ["x"]
    assert csv_rows.column(table, "image_name") == ["a"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "t.csv is empty; .*image_name,tags"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"image_name,tags\n", "a header and no rows"),
        (b"image_name;tags\na;x\n", "line 1: .*semicolons, needed commas"),
        (b"image_name\ttags\na\tx\n", "line 1: .*tabs, needed commas"),
        (b"image_name|tags\na|x\n", "line 1: .*bars, needed commas"),
        (b"image,tags\na,x\n", "line 1: the column image_name is missing; got image, tags, needed image_name, tags"),
        (b"a,x\nb,y\n", "The first line must name the columns"),
        (b"image_name,tags,tags\na,x,y\n", "'tags' is there twice"),
        (
            b"image_name,tags\na,x\nb,x,y\nc\n",
            r"line 3: got 3 fields, needed 2 .*\(2 such rows\).*spaces separate tags",
        ),
        (b"image_name,tags\na,x\nb;y\n", "line 3: got 1 fields"),
        (b'image_name,tags\na,"x\nb,y\n', "line 2: .*check the quotes"),
        (b'image_name,tags\na,"x"y\n', "line 2: .*check the quotes"),
        (b"image_name,tags\na,x\nb,\xe9\n", "line 3: byte 0xe9 is not UTF-8"),
        ("image_name,tags\na,x\n".encode("utf-16"), "UTF-16"),
        ("image_name,tags\na,x\n".encode("utf-16-le"), "UTF-16"),
        (b"PK\x03\x04\x00\x00", "binary"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_reason(content, text):
    with pytest.raises(ValueError, match=text) as caught:
        parse(content)
    assert "\n" not in str(caught.value)


def test_a_header_of_many_columns_is_shortened_in_an_error():
    with pytest.raises(ValueError, match="c0, c1, c2, c3, c4 and 995 more, needed image_name"):
        parse(",".join(f"c{place}" for place in range(1000)).encode() + b"\n")


def test_a_file_is_read_as_its_bytes_are_parsed(tmp_path):
    content = b"image_name,tags\na,x\n"
    (tmp_path / "t.csv").write_bytes(content)
    assert csv_rows.read(tmp_path / "t.csv", NEEDED).cells == parse(content).cells


@pytest.mark.parametrize("numbers", ["0 1 2", "0.0 1.0 2.0", "7 9 8", "  "])
@pytest.mark.parametrize("header", ["", "Unnamed: 0"])
def test_a_column_of_row_numbers_without_a_name_is_left_out(numbers, header):
    rows = [f"{number},{name},x" for number, name in zip(numbers.split(" "), "abc", strict=True)]
    table = parse("\n".join([f"{header},image_name,tags", *rows]).encode())
    assert (table.columns, table.cells) == (NEEDED, [["a", "x"], ["b", "x"], ["c", "x"]])
    assert table.remarks == ("1 columns without a name are left out: row numbers or blanks",)


def test_index_columns_that_pandas_wrote_again_are_left_out():
    table = parse(b"Unnamed: 0.1,Unnamed: 0,image_name,tags,\n0,5,a,x,\n1,7,b,y, \n")
    assert (table.columns, table.cells) == (NEEDED, [["a", "x"], ["b", "y"]])
    assert parse(b"image_name,tags,Unnamed: 0\na,x,0\nb,y,1\n").columns == NEEDED


@pytest.mark.parametrize("cells", ["x y z", "0.5 1 2", "0 1 1", "2 1 3", "0.0 1.0 1", "2"])
def test_a_column_without_a_name_that_holds_something_else_is_refused(cells):
    rows = [f"{name},x,{cell}" for cell, name in zip(cells.split(), "abc", strict=False)]
    for header in ("image_name,tags,", "image_name,clear,", "image_name,tags,Unnamed: 2"):
        with pytest.raises(ValueError, match="line 2: a column without a name holds"):
            parse("\n".join([header, *rows]).encode(), ("image_name",))


@pytest.mark.parametrize("cells", ["7 7 8", "0 1 0", "0.0 1 0.00", "1  2"])
def test_numbers_in_front_that_repeat_or_miss_number_no_rows(cells):
    rows = [f"{cell},{name},x" for cell, name in zip(cells.split(" "), "abc", strict=True)]
    with pytest.raises(ValueError, match="line 2: a column without a name holds"):
        parse("\n".join([",image_name,tags", *rows]).encode())
