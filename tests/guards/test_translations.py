"""Every sentence is in both catalogues, and the compiled ones are fresh."""

import ast
import gettext
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(
    path.parent.name
    for path in ROOT.glob("*/locale")
    if (path.parent / "__init__.py").exists()
)
CATALOGUES = sorted(ROOT.glob("*/locale/*/LC_MESSAGES/*.po"))

SINGULAR = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL = {"ngettext", "ngettext_lazy"}


@dataclass
class Entry:
    """A sentence of a catalogue, with its translations: more than one for plurals."""

    msgid: str = ""
    msgid_plural: str = ""
    translations: list[str] = field(default_factory=list)
    fuzzy: bool = False


# --- reading --------------------------------------------------------------------------

_LINE = re.compile(r'(?:(msgid_plural|msgid|msgstr)(?:\[\d+\])? )?"(.*)"')


def read_catalogue(path: Path) -> dict[str, Entry]:
    """Return the entries of a .po file by msgid, its header among them as ""."""
    entries: list[Entry] = []
    keyword, fuzzy = "", False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#,"):
            fuzzy = "fuzzy" in line
        if not (match := _LINE.fullmatch(line)):
            continue
        start, text = match[1], ast.literal_eval(f'"{match[2]}"')
        if start == "msgid":
            entries.append(Entry(fuzzy=fuzzy))
            fuzzy = False
        if start == "msgstr":
            entries[-1].translations.append("")
        keyword = start or keyword
        if keyword == "msgstr":
            entries[-1].translations[-1] += text
        else:
            setattr(entries[-1], keyword, getattr(entries[-1], keyword) + text)
    return {entry.msgid: entry for entry in entries}


def sentences_of(package: str) -> set[str]:
    """Return every msgid in the package's Python files and templates."""
    return {*_in_python(ROOT / package), *_in_templates(ROOT / package)}


def _in_python(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in SINGULAR | PLURAL:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _in_templates(folder: Path) -> Iterator[str]:
    call = re.compile(r"""\bn?gettext\(\s*u?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
    marked = re.compile(r"""\b_\(\s*u?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
    for path in folder.glob("templates/**/*.html"):
        source = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        for pattern in (call, marked):
            for literal in pattern.findall(source):
                yield ast.literal_eval(literal)


def placeholders(text: str) -> set[str]:
    """Return the names that a translation has to keep, in either notation."""
    percent = set(re.findall(r"%\((\w+)\)[a-z]", text))
    if percent:
        return percent
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_there_is_something_to_check() -> None:
    assert {"django_workers", "notifications"} <= set(PACKAGES)
    assert len(sentences_of("notifications")) > 100
    assert "Found: more than %(count)s" in sentences_of("notifications")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_sentence_has_a_russian_translation(package: str) -> None:
    path = ROOT / package / "locale/ru/LC_MESSAGES/django.po"
    catalogue = read_catalogue(path)
    sentences = sentences_of(package)

    untranslated = {
        msgid
        for msgid in sentences
        if msgid not in catalogue
        or catalogue[msgid].fuzzy
        or not catalogue[msgid].translations
        or not all(catalogue[msgid].translations)
    }
    assert untranslated == set()
    assert set(catalogue) - sentences == {""}


@pytest.mark.parametrize(
    "path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_translations_keep_the_placeholders(path: Path) -> None:
    for entry in read_catalogue(path).values():
        for translation in filter(None, entry.translations):
            if entry.msgid:
                assert placeholders(translation) == placeholders(entry.msgid), entry


@pytest.mark.parametrize(
    "path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_compiled_catalogue_is_that_of_its_source(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    translated = {
        msgid: entry.translations
        for msgid, entry in read_catalogue(path).items()
        if msgid and all(entry.translations) and not entry.fuzzy
    }
    assert _entries_of(compiled) == translated


def _entries_of(compiled: gettext.GNUTranslations) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = {}
    for key, text in compiled._catalog.items():  # type: ignore[attr-defined]  # the only way to list them
        msgid, index = key if isinstance(key, tuple) else (key, 0)
        if not msgid:
            continue  # the header, in which tools note when they wrote it
        translations = entries.setdefault(msgid, [])
        translations.extend([""] * (index + 1 - len(translations)))
        translations[index] = text
    return entries


def test_a_sentence_of_two_packages_is_translated_the_same_in_both() -> None:
    """Django merges all catalogues: only one of two translations would be seen."""
    seen: dict[str, list[str]] = {}
    for path in CATALOGUES:
        if "/ru/" not in path.as_posix():
            continue
        for msgid, entry in read_catalogue(path).items():
            if msgid:
                assert seen.setdefault(msgid, entry.translations) == entry.translations


@pytest.mark.parametrize("package", PACKAGES)
def test_english_catalogues_have_the_sentences_of_the_russian_ones(
    package: str,
) -> None:
    russian, english = (
        read_catalogue(ROOT / package / f"locale/{language}/LC_MESSAGES/django.po")
        for language in ("ru", "en")
    )

    assert set(english) == set(russian)


@pytest.mark.parametrize(
    "path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_plural_has_as_many_forms_as_its_language(path: Path) -> None:
    """Otherwise `manage.py compilemessages` refuses the whole catalogue."""
    catalogue = read_catalogue(path)
    plurals = [entry for entry in catalogue.values() if entry.msgid_plural]
    if not plurals:
        return
    (header,) = catalogue[""].translations
    forms = re.search(r"nplurals=(\d+)", header)
    assert forms is not None

    lacking = [e.msgid for e in plurals if len(e.translations) != int(forms[1])]
    assert lacking == []
