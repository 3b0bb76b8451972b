"""The documents tell the truth: names, paths and commands are those of the code."""

import logging
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.dispatch import Signal

import django_workers
from django_workers import AbstractTaskQueue, signals
from django_workers.events import _EVENTS as EVENTS
from tests.support.tutorial import README, ROOT, RUSSIAN_README, read_blocks

PUBLIC_NAMES = [
    "AbstractTaskQueue",
    "Attempt",
    "PauseQueue",
    "PostponeTask",
    "Success",
    "TaskError",
    "WorkerLost",
]
SIGNALS = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
APP_READMES = [README, RUSSIAN_README]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *APP_READMES})
RUSSIAN = [path for path in DOCUMENTS if path.name.endswith(".ru.md")]

CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SHELL_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
PATH_ENDINGS = (".py", ".md", ".toml", ".txt", ".in", ".png", ".ini", ".example")
OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
# What appears in a working copy when the commands of the documents have run.
MADE_BY_RUNNING = (".env", ".venv", ".gitignore", "db.sqlite3")


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
each_app_readme = pytest.mark.parametrize("document", APP_READMES, ids=by_name)


def prose(document: Path) -> str:
    return CODE_BLOCK.sub("", document.read_text(encoding="utf-8"))


def shell_lines(document: Path) -> list[str]:
    """Return the commands in a document's blocks for the shell, without comments."""
    text = "\n".join(SHELL_BLOCK.findall(document.read_text(encoding="utf-8")))
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line]


def table_rows(document: Path) -> dict[str, list[str]]:
    """Return the rows of all tables by what stands in their first column."""
    lines = [line for line in prose(document).splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


# --- paths, links, commands -----------------------------------------------------------


@each_document
def test_every_path_that_is_mentioned_exists(document):
    words = INLINE_CODE.findall(prose(document))
    words += [word for line in shell_lines(document) for word in line.split()]
    mentioned = {
        word
        for word in words
        if PATH.fullmatch(word) and ("/" in word or word.endswith(PATH_ENDINGS))
    }
    of_the_tutorial = {block.path for block in read_blocks(document)}

    missing = [
        path
        for path in sorted(mentioned - of_the_tutorial)
        if path.split("/")[0] not in MADE_BY_RUNNING
        and not (ROOT / path).exists()
        and not (document.parent / path).exists()
    ]

    assert missing == []


@each_document
def test_every_link_leads_somewhere(document):
    missing = [
        target
        for target in LINK.findall(prose(document))
        if "://" not in target and not leads_somewhere(document, target)
    ]

    assert missing == []


def leads_somewhere(document: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = document.parent / name if name else document
    return path.exists() and (not anchor or anchor in anchors(path))


def anchors(document: Path) -> set[str]:
    """Return the names that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@each_document
def test_every_command_that_is_mentioned_exists(document):
    text = document.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text() if (ROOT / "Makefile").exists() else ""
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    quoted = [*INLINE_CODE.findall(prose(document)), *shell_lines(document)]

    made = {name for code in quoted for name in re.findall(r"^make ([a-z]\w*)", code)}
    managed = set(re.findall(r"manage\.py ([a-z]\w*)", text))

    assert made - targets == set()
    assert managed - set(get_commands()) == set()


@pytest.mark.parametrize("document", RUSSIAN, ids=by_name)
def test_both_languages_give_the_same_commands(document):
    english = document.with_name(document.name.replace(".ru.md", ".md"))

    assert shell_lines(document) == shell_lines(english)


@pytest.mark.parametrize("document", RUSSIAN, ids=by_name)
def test_both_languages_have_the_same_shape(document):
    english = document.with_name(document.name.replace(".ru.md", ".md"))

    def shape(text: str) -> list[str]:
        return re.findall(r"^(#+|\d+\.|-|\|) ", text, re.MULTILINE)

    assert shape(prose(document)) == shape(prose(english))


# --- the reference of django_workers --------------------------------------------------


def test_the_public_names_are_exactly_these():
    visible = {
        name
        for name, value in vars(django_workers).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert django_workers.__all__ == PUBLIC_NAMES
    assert visible == set(PUBLIC_NAMES)


@each_app_readme
def test_every_public_name_is_explained(document):
    text = prose(document)
    names = [*PUBLIC_NAMES, *vars(django_workers.TaskError("x", task_id=1))]
    names += [name for name in vars(AbstractTaskQueue) if not name.startswith("_")]

    unexplained = [
        name for name in names if not re.search(rf"`(?:\w+\.)?{name}\b", text)
    ]

    assert unexplained == []


@each_app_readme
def test_every_signal_is_explained(document):
    rows = table_rows(document)

    assert [name for name in signals.__all__ if f"`{name}" not in prose(document)] == []
    assert [name for name in SIGNALS if f"`{name}`" not in rows] == []


@each_app_readme
def test_every_event_is_named_with_its_level(document):
    levels = dict.fromkeys(logging.getLevelName(level) for level, _ in EVENTS.values())
    told = {
        level: re.findall(r"`([\w.]+)`", table_rows(document)[f"`{level}`"][0])
        for level in levels
    }

    assert told == {
        level: [
            name
            for name, (number, _) in EVENTS.items()
            if logging.getLevelName(number) == level
        ]
        for level in levels
    }


@each_app_readme
def test_the_defaults_of_a_queue_are_those_of_the_code(document):
    told = {
        name.strip("`"): row[0].strip("`")
        for name, row in table_rows(document).items()
        if name.strip("`") in vars(AbstractTaskQueue)
        and not hasattr(vars(AbstractTaskQueue)[name.strip("`")], "__get__")
    }

    assert told == {name: repr(getattr(AbstractTaskQueue, name)) for name in told}
    assert len(told) >= 4


def own_commands() -> dict[str, BaseCommand]:
    return {
        name: load_command_class(app, name)
        for name, app in get_commands().items()
        if app == "django_workers"
    }


def options_of(command: BaseCommand) -> dict[str, object]:
    """Return the options that `--help` shows, with their defaults."""
    parser = command.create_parser("manage.py", "command")
    return {
        option: action.default
        for action in parser._actions
        for option in action.option_strings
    }


@each_app_readme
def test_the_options_of_the_reference_are_those_of_the_commands(document):
    commands = own_commands()
    known = set(options_of(commands["run_worker"]))
    usual = set(options_of(BaseCommand()))
    for command in commands.values():
        known |= set(options_of(command)) - usual
    _, _, reference = prose(document).rpartition("\n## ")

    told = {o for code in INLINE_CODE.findall(reference) for o in OPTION.findall(code)}

    assert told == known


@each_app_readme
def test_the_defaults_of_the_options_are_those_of_run_worker(document):
    defaults = options_of(own_commands()["run_worker"])
    rows = {
        option: row[0]
        for words, row in table_rows(document).items()
        for option in OPTION.findall(words)
    }
    numbers = {o: f"{n:g}" for o, n in defaults.items() if isinstance(n, float)}

    assert {option: rows[option] for option in numbers} == numbers


@each_app_readme
def test_every_command_of_the_app_is_explained(document):
    for name, command in own_commands().items():
        assert f"`python manage.py {name} QUEUE`" in prose(document)
        assert command.help


@each_app_readme
def test_every_table_that_the_app_adds_is_named(document):
    for model in apps.get_app_config("django_workers").get_models():
        assert f"`{model._meta.db_table}`" in prose(document)


@each_app_readme
def test_help_tells_the_exit_codes_that_the_reference_does(document):
    told = {code for code in table_rows(document) if re.match(r"\d+( \+|$)", code)}
    epilog = own_commands()["run_worker"].create_parser("manage.py", "x").epilog
    assert epilog is not None
    _, _, codes = epilog.partition("Exit codes: ")

    assert set(re.findall(r"(?:^|, |,\n)(\d+(?: \+)?)", codes)) == {
        code.removesuffix(" number").removesuffix(" номер") for code in told
    }


def test_help_on_the_command_line_is_what_was_compared():
    done = subprocess.run(
        [sys.executable, "manage.py", "run_worker", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    shown = set(re.findall(r"(?:^  |, )(--?[a-zA-Z][\w-]*)", done.stdout, re.MULTILINE))
    assert shown == set(options_of(own_commands()["run_worker"]))
