"""Which column of the file is what? Told by the header, in either language."""

from collections.abc import Mapping
from dataclasses import dataclass

from .files import Record, Wrong, WrongFile

NUMBER, CUSTOMER, NAME, PHONE = "number", "customer", "name", "phone"
STATUS, NOTIFY = "status", "notify"

# The first of each is what the example says.
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    NUMBER: {
        "ru": ("номер заказа", "номер", "заказ", "№ заказа", "№"),
        "en": ("order number", "number", "order", "no"),
    },
    CUSTOMER: {"ru": ("клиент", "покупатель"), "en": ("customer", "client")},
    NAME: {
        "ru": ("имя клиента", "имя", "фио"),
        "en": ("customer name", "customer's name", "name"),
    },
    PHONE: {
        "ru": ("телефон", "телефон клиента", "номер телефона"),
        "en": ("phone", "customer phone", "customer's phone", "phone number"),
    },
    STATUS: {"ru": ("статус", "статус заказа"), "en": ("status", "order status")},
    NOTIFY: {
        "ru": ("уведомить", "уведомить клиента", "уведомлять"),
        "en": ("notify", "notify the customer"),
    },
}
_FIELDS = {
    name: field
    for field, languages in NAMES.items()
    for names in languages.values()
    for name in names
}
_LONGEST_QUOTE = 200


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field is in a record, and which columns nobody reads."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]
    count: int

    def cell(self, record: Record, field: str) -> str:
        """Return what a record says of a field; nothing when there is no such cell."""
        place = self.places.get(field)
        if place is None or place >= len(record.cells):
            return ""
        return record.cells[place].strip()


def columns_of(header: Record) -> Columns:
    """Read the header.

    Raises:
        WrongFile: a column is missing that has to be there, or is there twice.
    """
    places: dict[str, int] = {}
    ignored = []
    for place, cell in enumerate(header.cells):
        field = _FIELDS.get(_plain(cell))
        if field is None:
            if cell.strip():
                ignored.append(cell.strip()[:_LONGEST_QUOTE])
        elif field in places:
            raise WrongFile(Wrong.COLUMN_TWICE, cell.strip()[:_LONGEST_QUOTE])
        else:
            places[field] = place
    quote = " | ".join(header.cells)[:_LONGEST_QUOTE]
    if NUMBER not in places:
        raise WrongFile(Wrong.NO_NUMBER, quote)
    if not {CUSTOMER, NAME, PHONE} & places.keys():
        raise WrongFile(Wrong.NO_CUSTOMER, quote)
    return Columns(places, tuple(ignored), len(header.cells))


def _plain(cell: str) -> str:
    return " ".join(cell.replace("\ufeff", "").casefold().replace("’", "'").split())
