"""Whose order is it? Finds customers by what a file calls them, many at once."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q
from django.db.models.functions import Lower

from notifications.models import Customer, CustomerWord, PastInvite
from notifications.models.search_words import national_number

from .lines import Line, is_phone
from .problems import Problem


class Cards:
    """The customers of some lines: known cards, and new ones that the lines ask for.

    A reference that is a phone is found in any notation, an @username in any letter
    case, an invite code and a name exactly. A new card is found by the lines after it.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[int, Customer]] = {}
        self._new: dict[str, list[Customer]] = defaultdict(list)
        self.made = 0

    def look_up(self, lines: Iterable[Line]) -> None:
        """Read the cards that these lines may mean; forget those of earlier lines."""
        references = {line.reference for line in lines if line.reference}
        self._known = defaultdict(dict)
        phones = {national_number(text) for text in references if is_phone(text)}
        usernames = {text[1:].lower() for text in references if text.startswith("@")}
        others = {text for text in references if not _is_key(text)}
        if phones:
            self._find_phones(phones)
        if usernames:
            self._find_usernames(usernames)
        if others:
            self._find_codes_and_names(others)

    def card_of(self, line: Line) -> "Customer | Problem":
        """Return the customer whom a line means, perhaps a new one without a key."""
        key = _key(line.reference)
        found = [*self._known[key].values(), *self._new.get(key, [])]
        if len(found) > 1:
            return Problem("customer_ambiguous", line.reference)
        if found:
            return found.pop()
        if line.reference.startswith("@"):
            return Problem("username_unknown", line.reference)
        if not line.name:
            return Problem("customer_unknown", line.reference)
        return self._make(line)

    def _make(self, line: Line) -> Customer:
        card = Customer(name=line.name, phone=line.phone)
        self.made += 1
        for key in {_key(line.reference), _key(line.phone), line.name} - {""}:
            self._new[key].append(card)
        return card

    def _find_phones(self, phones: set[str]) -> None:
        words = CustomerWord.objects.filter(word__in=phones)
        cards = Customer.objects.filter(pk__in=words.values("customer"))
        for card in cards.order_by():
            # A word may be of the name, or of a username.
            if (phone := national_number(card.phone)) in phones:
                self._known[f"+{phone}"][card.pk] = card

    def _find_usernames(self, usernames: set[str]) -> None:
        customers = Customer.objects.alias(lowered=Lower("tg_username"))
        for card in customers.filter(lowered__in=usernames).order_by():
            self._known[f"@{card.tg_username.lower()}"][card.pk] = card

    def _find_codes_and_names(self, texts: set[str]) -> None:
        past = PastInvite.objects.filter(code__in=texts)
        owners = dict(past.values_list("code", "customer"))
        wanted = Q(name__in=texts) | Q(invite_code__in=texts)
        cards = Customer.objects.filter(wanted | Q(pk__in=list(owners.values())))
        for card in cards.order_by():
            for text in {card.name, card.invite_code} & texts:
                self._known[text][card.pk] = card
            for code in (code for code, owner in owners.items() if owner == card.pk):
                self._known[code][card.pk] = card


def _is_key(text: str) -> bool:
    return text.startswith("@") or is_phone(text)


def _key(text: str) -> str:
    """Return by what a reference is found: the same for all notations of a phone."""
    if text.startswith("@"):
        return text.lower()
    return f"+{national_number(text)}" if is_phone(text) else text
