"""What no file of this repository may say, and import contracts that really hold."""

import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bot", "workers_tutorial", "notifications", "django_workers")
WAITING = "tests/support/waiting.py"
# A handler that plays being slow for the tests of the queue.
SLOW_ON_PURPOSE = "tests/shop/task_queues.py"
# Their sleeps were written before they had to give a reason: add nothing to these.
WITHOUT_A_REASON_YET = (
    "tests/integration/test_transport.py",
    "tests/integration/workers/",
    "tests/unit/test_running.py",
)

REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs)[.]\w")
INDEX = re.compile(r"://|file:|^\s*-(?!r requirements\.in$|-hash=)", re.MULTILINE)
PRIVATE_PATH = re.compile(r"(?<![\w.~-])/(?:root|home|work)/")
TOKEN = re.compile(r"(?<!\d)\d{6,12}:([\w-]{35})(?![\w-])")
SLEEP = re.compile(r"\bsleep\((?!0\))")

# One forbidden import for each contract: where it is planted, and what it says.
VIOLATIONS = {
    "Packages point one way": ("django_workers/planted.py", "import notifications"),
    "aiogram is the bot's alone": ("notifications/planted.py", "import aiogram"),
    "One door to HTTP": ("bot/planted.py", "import httpx"),
    "aiohttp under the transport and in the local Telegram": (
        "bot/planted.py",
        "import aiohttp.client",
    ),
    "The verdicts on Telegram's answers are pure": (
        "notifications/verdicts.py",
        "from django.db import models",
    ),
    "The local Telegram stands alone": (
        "bot/local_telegram/planted.py",
        "import notifications.messages",
    ),
}


@cache
def texts() -> dict[str, str]:
    """Return the text files that are, or would be, in the repository."""
    # The checkout may belong to somebody else, in a container for example.
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--exclude-standard"]
    try:
        listed = subprocess.run(
            [*git, "--cached", "--others"], cwd=ROOT, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot list the files: {error}")
    found = {}
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content:
            found[name] = content.decode("utf-8")
    return found


def finds(pattern: re.Pattern[str], names: str = "") -> list[str]:
    """Return where the pattern is found, in files whose names begin so."""
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        if name.startswith(names)
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


# --- texts ----------------------------------------------------------------------------


def test_the_files_are_found() -> None:
    assert {"Makefile", "manage.py", "requirements.txt"} <= set(texts())


def test_no_file_names_a_package_registry() -> None:
    assert finds(REGISTRY) == []


def test_locked_requirements_name_no_index_and_no_address() -> None:
    assert finds(INDEX, "requirements") == []


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_an_exact_version_and_hashes(file: str) -> None:
    logical_lines = texts()[file].replace("\\\n", " ").splitlines()
    packages = [line for line in logical_lines if line and line[0] not in "# "]
    assert packages
    for package in packages:
        assert re.match(r"[\w.\[\],-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", package)


def test_both_locked_files_agree() -> None:
    """What is tested is what runs."""
    pin = re.compile(r"^([\w.-]+)(?:\[\S+\])?==(\S+)", re.MULTILINE)
    runtime, development = (
        dict(pin.findall(texts()[name]))
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    assert runtime.items() <= development.items()


def test_no_file_names_a_place_on_a_developer_s_machine() -> None:
    assert finds(PRIVATE_PATH) == []


def test_no_file_has_a_bot_token() -> None:
    found = {
        name: match[0]
        for name, text in texts().items()
        for match in TOKEN.finditer(text)
        if len(set(match[1])) > 5  # fewer letters is nobody's token
    }
    assert found == {}


def test_tests_wait_for_what_should_happen_and_not_for_time() -> None:
    """`sleep` is in one place; elsewhere its line says what else than waiting it is."""
    unexplained = [
        place
        for place in finds(SLEEP, "tests/")
        if not place.startswith((WAITING, SLOW_ON_PURPOSE, *WITHOUT_A_REASON_YET))
        and "  # " not in place
    ]
    assert unexplained == []


@pytest.mark.parametrize(
    ("pattern", "bad"),
    [
        (REGISTRY, "see https://py" + "pi.org/simple"),
        (INDEX, "--extra-index" + "-url somewhere"),
        (INDEX, "-f /wheels"),
        (INDEX, "wheel @ file:" + "///wheels/a.whl"),
        (PRIVATE_PATH, "open('/ho" + "me/anna/.env')"),
        (TOKEN, "110201543" + ":AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX"),
        (SLEEP, "time.sleep" + "(0.1)"),
    ],
)
def test_the_patterns_find_what_they_are_for(
    pattern: re.Pattern[str], bad: str
) -> None:
    assert pattern.search(bad)


# --- import contracts -----------------------------------------------------------------


def broken_contracts(folder: Path) -> set[str]:
    """Return the names of the contracts that import-linter finds broken there."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    verdicts = re.findall(r"^(.+) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE)
    assert {name for name, _ in verdicts} == contracts(), done.stdout + done.stderr
    return {name for name, verdict in verdicts if verdict == "BROKEN"}


def contracts() -> set[str]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {
        contract["name"]
        for contract in configuration["tool"]["importlinter"]["contracts"]
    }


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=lambda folder, names: {
                name
                for name in names
                if not (Path(folder, name).is_dir() or name.endswith(".py"))
                or name == "__pycache__"
            },
        )
    return tmp_path


def test_every_import_contract_is_kept(copy: Path) -> None:
    assert broken_contracts(copy) == set()


def test_every_import_contract_has_a_violation_to_be_tried() -> None:
    assert set(VIOLATIONS) == contracts()


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_forbidden_import_breaks_its_contract(copy: Path, contract: str) -> None:
    file, planted = VIOLATIONS[contract]
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{planted}\n")
    assert broken_contracts(copy) == {contract}
