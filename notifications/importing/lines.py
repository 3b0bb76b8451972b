"""What does a line of the file say, before anybody looks into the database?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from notifications.exporting import FORMULA_SIGNS
from notifications.models.search_words import national_number
from notifications.models.status import INITIAL

from .columns import CUSTOMER, NAME, NOTIFY, NUMBER, PHONE, STATUS, Columns, columns_of
from .files import CsvFile, Record, Wrong, WrongFile
from .problems import Problem

MAX_LINES = 200_000
_LONGEST_NUMBER, _LONGEST_NAME, _LONGEST_PHONE = 8, 200, 32
_PHONE = re.compile(r"\+?[\d\s().\-–]*")
_FEWEST_DIGITS, _MOST_DIGITS = 6, 15
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
_YES = {"", "да", "yes", "1", "true", "истина", "+"}
_NO = {"нет", "no", "0", "false", "ложь", "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, cleaned; with `problems` it is not imported."""

    line: int
    cells: list[str]
    problems: tuple[Problem, ...] = ()
    number: str = ""
    # Who is meant, in this order: a phone, an @username, an invite code or a name.
    reference: str = ""
    # Of a new card, when nobody is found.
    name: str = ""
    phone: str = ""
    status: str = INITIAL
    notify: bool = True


def is_phone(text: str) -> bool:
    """Tell whether it is a phone rather than a name, a username or a code."""
    return bool(national_number(text)) and _PHONE.fullmatch(text) is not None


class LineReader:
    """Reads the lines of a file. `statuses`: the code of each by what it is called."""

    def __init__(self, file: CsvFile, statuses: dict[str, str]) -> None:
        self._records = file.records()
        self._statuses = statuses
        header = next(self._records, None)
        if header is None:
            raise WrongFile(Wrong.EMPTY)
        self.columns: Columns = columns_of(header)
        self.header = header.cells

    def lines(self, after: int = 0) -> Iterator[Line]:
        """Yield the lines that follow the first `after` ones.

        Raises:
            WrongFile: there are too many.
        """
        records = islice(self._records, after, MAX_LINES)
        yield from map(self._read, records)
        if next(self._records, None) is not None:
            raise WrongFile(Wrong.TOO_MANY_LINES)

    def _read(self, record: Record) -> Line:
        if record.is_broken:
            return Line(line=record.line, cells=[], problems=(Problem("quotes"),))
        problems: list[Problem] = []
        if any(cell.strip() for cell in record.cells[self.columns.count :]):
            problems.append(Problem("cells"))
        phone = self._phone(record, problems)
        name = self._name(record, problems)
        number = self._number(record, problems)
        customer = _without_sign(self.columns.cell(record, CUSTOMER))
        reference = customer or phone or name
        if not reference:
            problems.append(Problem("customer_missing"))
        elif _SHORTENED.fullmatch(customer):
            problems.append(Problem("phone_shortened", customer))
        status = self._status(record, problems)
        notify = self._notify(record, problems)
        if is_phone(reference):
            phone = phone or reference[:_LONGEST_PHONE]
        return Line(
            line=record.line,
            cells=record.cells,
            problems=tuple(problems),
            number=number,
            reference=" ".join(reference.split()),
            name=name,
            phone=phone,
            status=status,
            notify=notify,
        )

    def _number(self, record: Record, problems: list[Problem]) -> str:
        number = _without_sign(self.columns.cell(record, NUMBER)).lstrip("№#").strip()
        if not number:
            problems.append(Problem("number_missing"))
        elif any(char.isspace() or not char.isprintable() for char in number):
            problems.append(Problem("number_spaces", number))
        elif len(number) > _LONGEST_NUMBER:
            problems.append(Problem("number_long", number))
        return number

    def _phone(self, record: Record, problems: list[Problem]) -> str:
        phone = _without_sign(self.columns.cell(record, PHONE))
        if _SHORTENED.fullmatch(phone):
            problems.append(Problem("phone_shortened", phone))
        elif phone and not _is_whole_phone(phone):
            problems.append(Problem("phone_wrong", phone))
        return phone

    def _name(self, record: Record, problems: list[Problem]) -> str:
        name = " ".join(_without_sign(self.columns.cell(record, NAME)).split())
        if len(name) > _LONGEST_NAME:
            problems.append(Problem("name_long"))
        return name

    def _status(self, record: Record, problems: list[Problem]) -> str:
        called = self.columns.cell(record, STATUS)
        status = self._statuses.get(called.casefold()) if called else INITIAL
        if status is None:
            problems.append(Problem("status_unknown", called))
        return status or INITIAL

    def _notify(self, record: Record, problems: list[Problem]) -> bool:
        given = self.columns.cell(record, NOTIFY).casefold()
        if given not in _YES | _NO:
            problems.append(Problem("notify_unknown", given))
        return given not in _NO


def _is_whole_phone(text: str) -> bool:
    digits = sum(map(str.isdecimal, text))
    is_whole = _FEWEST_DIGITS <= digits <= _MOST_DIGITS
    return is_whole and len(text) <= _LONGEST_PHONE and is_phone(text)


def _without_sign(cell: str) -> str:
    """Return the cell without the sign that keeps it from being a formula."""
    return (
        cell[1:]
        if cell.startswith("'") and cell[1:].startswith(FORMULA_SIGNS)
        else cell
    )
