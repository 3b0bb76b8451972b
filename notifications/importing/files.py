"""What is in the file that somebody uploaded? Records of text, or why it is not CSV.

The file is kept compressed and read anew each time, record by record: it is never in
memory as a whole.
"""

import codecs
import csv
import gzip
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

MAX_BYTES = 32 * 1024 * 1024
_SEPARATORS = ";,\t"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Excel itself writes such a line, and reads it.
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_COMPRESSION = 3


class Wrong(StrEnum):
    """What is wrong with a file as a whole."""

    EMPTY = "empty"
    HUGE = "huge"
    TOO_MANY_LINES = "too_many_lines"
    WORKBOOK = "workbook"  # Excel's own format
    BINARY = "binary"
    NO_NUMBER = "no_number"  # there is no column of order numbers
    NO_CUSTOMER = "no_customer"  # there is no column that tells of a customer
    COLUMN_TWICE = "column_twice"
    NO_LINES = "no_lines"


class WrongFile(Exception):
    """The file cannot be imported; `wrong` says why, `found` quotes it."""

    def __init__(self, wrong: Wrong, found: str = "") -> None:
        super().__init__(f"{wrong}: {found}")
        self.wrong, self.found = wrong, found


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the table, numbered as Excel numbers it; broken when its quotes are."""

    line: int
    cells: list[str]
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A compressed text of comma-separated values, whatever separates them."""

    content: bytes
    encoding: str

    def records(self) -> Iterator[Record]:
        """Yield the records, the header first; blank ones are left out."""
        with gzip.open(io.BytesIO(self.content)) as unpacked:
            # Line breaks belong to the cells that they are in.
            text = io.TextIOWrapper(unpacked, encoding=self.encoding, newline="")
            yield from _records(text)


def pack(parts: Iterable[bytes]) -> CsvFile:
    """Return the file that comes in parts, compressed.

    Raises:
        WrongFile: it is empty or huge, or no text.
    """
    packed = io.BytesIO()
    decoder = codecs.getincrementaldecoder("utf-8")()
    start, size, is_utf8 = b"", 0, True
    with gzip.open(packed, "wb", compresslevel=_COMPRESSION) as compressed:
        for part in parts:
            size += len(part)
            if size > MAX_BYTES:
                raise WrongFile(Wrong.HUGE)
            start = start or part[:4]
            if b"\0" in part and not start.startswith(tuple(_MARKS)):
                raise WrongFile(_kind_of(start))
            is_utf8 = is_utf8 and _is_decoded(decoder, part)
            compressed.write(part)
    if not start.strip():
        raise WrongFile(Wrong.EMPTY)
    if start.startswith(_WORKBOOKS):
        raise WrongFile(Wrong.WORKBOOK)
    is_utf8 = is_utf8 and _is_decoded(decoder, b"", final=True)
    marked = (code for mark, code in _MARKS.items() if start.startswith(mark))
    # What is not UTF-8 was saved by Excel in Russia.
    encoding = next(marked, "utf-8" if is_utf8 else "cp1251")
    file = CsvFile(packed.getvalue(), encoding)
    _check_text(file)
    return file


def _kind_of(start: bytes) -> Wrong:
    return Wrong.WORKBOOK if start.startswith(_WORKBOOKS) else Wrong.BINARY


def _is_decoded(
    decoder: codecs.IncrementalDecoder, part: bytes, *, final: bool = False
) -> bool:
    try:
        decoder.decode(part, final)
    except UnicodeDecodeError:
        return False
    return True


def _check_text(file: CsvFile) -> None:
    with gzip.open(io.BytesIO(file.content)) as unpacked:
        text = io.TextIOWrapper(unpacked, encoding=file.encoding)
        try:
            while part := text.read(1 << 16):
                if "\0" in part:
                    raise WrongFile(Wrong.BINARY)
        except UnicodeError as error:
            raise WrongFile(Wrong.BINARY) from error


def _records(text: io.TextIOWrapper) -> Iterator[Record]:
    first = text.readline()
    if match := _SEPARATOR_LINE.fullmatch(first):
        separator, header = match[1], []
    else:
        separator = max(_SEPARATORS, key=first.count)
        header = [first]
    lines = _Lines(chain(header, text))
    # Strict: an open quote would silently swallow all the lines that follow.
    reader = csv.reader(lines, delimiter=separator, strict=True)
    line = 0
    while True:
        line += 1
        lines.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.put_back_all_but_the_first()
            yield Record(line, [], is_broken=True)
            continue
        if any(cell.strip() for cell in cells):
            yield Record(line, cells)


class _Lines:
    """Lines, of which those of a record can be read once more, one by one.

    Behind a quote that nobody has closed they are no part of its cell.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._of_record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._of_record.append(line)
        return line

    def begin_record(self) -> None:
        self._of_record = []

    def put_back_all_but_the_first(self) -> None:
        self._again.extendleft(reversed(self._of_record[1:]))
