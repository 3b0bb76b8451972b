"""By which words is a customer found, in any letter case and any notation of a phone?

A search finds the beginnings of words, which every database does fast with an index.
The end of a phone is the beginning of its digits written backwards.
"""

import re
import unicodedata

LONGEST = 64
# Of a text that was pasted: databases take long over a search for hundreds of words.
MOST_TERMS = 8
_BACKWARDS = "~"
# What people write around the digits of a phone; a whole phone or just a part of it.
# Digits that touch letters belong to a word: "ivan1985".
_PHONE = re.compile(r"(?<!\w)\+?\d[\d\s().-]*(?!\w)")
_FEW_DIGITS = 3
_NATIONAL = 10
_RUSSIAN = 11


def words_of(name: str, phone: str, username: str) -> set[str]:
    """Return the words by which a customer is found."""
    digits = _digits(phone)
    words = {*_split(name), *_split(username)}
    if digits:
        words |= {digits, _national(digits), _BACKWARDS + digits[::-1]}
    return {word[:LONGEST] for word in words}


def terms_of(text: str) -> list[set[str]]:
    """Return what was asked for: of each set, some word begins with one of them.

    A repeated word is asked for once, and of a long text only the first words are.
    """
    text = text.strip()
    terms = []
    for match in _PHONE.finditer(text):
        # "Ленина 5" names a house: a phone is longer, or is all that was typed.
        digits = _digits(match[0])
        if len(digits) > _FEW_DIGITS or match[0].strip() == text:
            terms.append(_spellings(digits))
            text = text.replace(match[0], " ", 1)
    terms += [{word[:LONGEST]} for word in _split(text)]
    different: list[set[str]] = []
    for term in terms:
        if len(different) < MOST_TERMS and term not in different:
            different.append(term)
    return different


def national_number(phone: str) -> str:
    """Return the digits of a phone, of a Russian one without the +7 or 8."""
    return _national(_digits(phone))


def _spellings(digits: str) -> set[str]:
    spellings = {digits, _national(digits)}
    if len(digits) > _FEW_DIGITS:
        spellings.add(_BACKWARDS + digits[::-1])
        if digits[0] in "78":
            # +7 and 8 begin the same Russian number, also one that is cut short.
            spellings.add(digits[1:])
    return {spelling[:LONGEST] for spelling in spellings}


def _national(digits: str) -> str:
    is_russian = len(digits) == _RUSSIAN and digits[0] in "78"
    return digits[-_NATIONAL:] if is_russian else digits


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(char)) for char in text if char.isdecimal())


def _split(text: str) -> list[str]:
    """Return the words of a text in one case, with "е" for "ё", as people type."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    # Letters, digits, accents and emoji make words; everything else ends them.
    kept = (char if unicodedata.category(char)[0] in "LNMS" else " " for char in plain)
    return "".join(kept).split()
