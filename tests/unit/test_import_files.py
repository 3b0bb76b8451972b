"""Files as people save them: encodings, separators, quotes, and what is no table."""

import codecs
import gzip
import io
import time

import pytest

from notifications.importing.columns import NUMBER, PHONE, columns_of
from notifications.importing.files import (
    MAX_BYTES,
    CsvFile,
    Record,
    Wrong,
    WrongFile,
    pack,
)

HEADER = "Номер заказа;Клиент;Телефон"
ROW = "1001;Анна «Роза» 🌸;+7 916 000-00-01"


def records(content: bytes) -> list[list[str]]:
    return [record.cells for record in pack([content]).records()]


def header_of(content: bytes) -> None:
    columns_of(next(pack([content]).records()))


def refused(content: bytes) -> Wrong:
    with pytest.raises(WrongFile) as caught:
        header_of(content)
    return caught.value.wrong


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_is_read_however_it_was_saved(
    encoding: str, mark: bytes, separator: str, end: str
) -> None:
    text = end.join([HEADER, ROW, ""]).replace(";", separator)

    assert records(mark + text.encode(encoding)) == [HEADER.split(";"), ROW.split(";")]


def test_cyrillic_of_windows_is_read() -> None:
    text = f"{HEADER}\r\n1001;Анна «Роза» №1;8 916 000-00-01\r\n"

    assert records(text.encode("cp1251"))[1][1] == "Анна «Роза» №1"


def test_a_character_may_be_divided_between_two_parts() -> None:
    content = f"{HEADER}\n{ROW}".encode()

    for place in range(1, len(content)):
        file = pack([content[:place], content[place:]])
        assert file.encoding == "utf-8"


def test_cells_may_have_quotes_separators_and_line_breaks_in_them() -> None:
    content = b'number;name\r\n1;"Anna ""A""; \r\nSmirnova"\r\n2;B\r\n'

    file = pack([content])

    assert [record.cells for record in file.records()][1:] == [
        ["1", 'Anna "A"; \r\nSmirnova'],
        ["2", "B"],
    ]
    # As Excel numbers its rows.
    assert [record.line for record in file.records()] == [1, 2, 3]


def test_blank_lines_are_left_out_and_counted() -> None:
    file = pack([b"number;name\n\n;;\n1;A\n"])

    assert [record.line for record in file.records()] == [1, 4]


def test_the_line_that_names_the_separator_is_understood() -> None:
    assert records(b"sep=,\r\nnumber,name\r\n1,A;B\r\n") == [
        ["number", "name"],
        ["1", "A;B"],
    ]


def test_a_quote_that_is_not_closed_breaks_its_own_line_and_swallows_none() -> None:
    found = list(pack([b'number;name\n1;"Anna\n2;B\n3;C "x"\n4;"D"\n']).records())

    assert [(record.line, record.is_broken) for record in found] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
        (5, False),
    ]
    assert found[2].cells == ["2", "B"]
    assert found[4].cells == ["4", "D"]


def test_many_open_quotes_take_no_longer_than_their_file() -> None:
    content = b"number;name\n" + b'1;"Anna\n2;B\n' * 20_000

    started = time.monotonic()
    broken = sum(record.is_broken for record in pack([content]).records())

    assert broken == 20_000
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("cell", ["x" * 200_000, '"' + "x\r\n" * 100_000 + '"'])
def test_a_cell_that_is_far_too_long_breaks_its_line(cell: str) -> None:
    content = f"number;name\n1;{cell}\n2;B\n".encode()

    found = list(pack([content]).records())

    assert found[1].is_broken
    assert found[-1].cells == ["2", "B"]


def test_a_stray_quote_breaks_only_its_own_line() -> None:
    found = list(pack([b'number;name\n1;"An"na\n2;B\n']).records())

    assert [record.is_broken for record in found] == [False, True, False]
    assert found[2].cells == ["2", "B"]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", Wrong.EMPTY),
        (b" \r\n", Wrong.EMPTY),
        (b"PK\x03\x04\x14\x00\x06\x00", Wrong.WORKBOOK),
        (b"PK\x03\x04xxxx", Wrong.WORKBOOK),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", Wrong.WORKBOOK),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", Wrong.BINARY),
        (b"number;name\n1;\x98\xff", Wrong.BINARY),
        (b"\xff\xfea", Wrong.BINARY),
        (b"1001;Anna\n1002;Bob\n", Wrong.NO_NUMBER),
        (b"%PDF-1.7\n", Wrong.NO_NUMBER),
        (b"number;status\n", Wrong.NO_CUSTOMER),
        (b"number;name;Number\n", Wrong.COLUMN_TWICE),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(
    content: bytes, wrong: Wrong
) -> None:
    assert refused(content) is wrong


def test_a_huge_file_is_refused_before_it_is_read_to_its_end() -> None:
    read = 0

    def parts():
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"1001;Anna\n" * 100_000

    with pytest.raises(WrongFile) as caught:
        pack(parts())

    assert caught.value.wrong is Wrong.HUGE
    assert read <= MAX_BYTES // 1_000_000 + 1


def test_the_file_is_kept_compressed() -> None:
    content = f"{HEADER}\n{ROW}\n".encode() * 1000

    file = pack([content])

    assert len(file.content) < len(content) / 20
    assert gzip.GzipFile(fileobj=io.BytesIO(file.content)).read() == content


@pytest.mark.parametrize(
    "header",
    ["Телефон;Номер заказа", "PHONE;Order  Number", " телефон ;№", "phone;NUMBER"],
)
def test_columns_are_found_in_either_language_and_any_order(header: str) -> None:
    columns = columns_of(Record(1, header.split(";")))

    record = Record(2, ["8 916", " 1001 "])
    assert columns.cell(record, NUMBER) == "1001"
    assert columns.cell(record, PHONE) == "8 916"
    assert columns.cell(Record(3, ["8 916"]), NUMBER) == ""


def test_columns_that_nobody_reads_are_named() -> None:
    columns = columns_of(Record(1, ["number", "name", "Сумма", "", "Город"]))

    assert columns.ignored == ("Сумма", "Город")


def test_records_come_again_from_the_same_file() -> None:
    file = CsvFile(gzip.compress(b"number;name\n1;A\n"), "utf-8")

    assert list(file.records()) == list(file.records())
