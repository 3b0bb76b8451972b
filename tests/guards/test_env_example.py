"""`.env.example` is the whole configuration; mistakes in it are told all at once."""

import ast
import fcntl
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.support.waiting import wait_until
from workers_tutorial.env_file import ensure_secret_key

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / ".env.example"
LOCKS = Path("/proc/locks")
LINES = EXAMPLE.read_text(encoding="utf-8").splitlines()
VALUES = {
    name: value
    for name, separator, value in (line.partition("=") for line in LINES)
    if separator and not name.startswith("#")
}

PRINT_SETTINGS = """
import json
import django
django.setup()  # for the translated names
from workers_tutorial import settings
names = filter(str.isupper, dir(settings))
print(json.dumps({name: repr(getattr(settings, name)) for name in names}))
"""
PRINT_SECRET_KEY = """
import sys
from pathlib import Path
from workers_tutorial.env_file import ensure_secret_key
print(ensure_secret_key(Path(sys.argv[1])))
"""
KEEP_SECRET_KEY_AS_NOBODY = """
import os, sys
from pathlib import Path
from workers_tutorial.env_file import ensure_secret_key
if os.geteuid() == 0:  # whom no permission stops
    os.seteuid(65534)
ensure_secret_key(Path(sys.argv[1]))
"""

# Each wrong in its own way; the last part of each is what must not be repeated aloud.
MISTAKES = {
    "TG_BOT_TOKEN": "123456789:AAE s3cret",
    "TG_API_URL": "telegram.example",
    "TG_PROXY_URL": "ftp://shop:s3cret@proxy.example:1080",
    "TG_LINK_URL": "t.me",
    "NOTIFICATIONS_RATE": "fast",
    "NOTIFICATIONS_CONCURRENCY": "0",
    "NOTIFICATIONS_RETRY_DELAYS": "3,1e300",
    "NOTIFICATIONS_UNCERTAIN": "perhaps",
    "NOTIFICATIONS_CONNECT_TIMEOUT": "0",
    "NOTIFICATIONS_READ_TIMEOUT": "nan",
    "NOTIFICATIONS_FLOOD_JITTER": "-1",
    "NOTIFICATIONS_FLOOD_WINDOW": "soon",
    "NOTIFICATIONS_OUTAGE_AFTER": "0",
    "NOTIFICATIONS_OUTAGE_PAUSES": "1,0",
    "NOTIFICATIONS_TOKEN_PAUSE": "0",
    "NOTIFICATIONS_MAX_AGE_DAYS": "1e12",
    "NOTIFICATIONS_COUNT_EVERY_FAILURE": "perhaps",
    "DEBUG": "perhaps",
    "HTTPS_ONLY": "perhaps",
    "DATABASE_URL": "oracle9://shop:s3cret@db.example/shop",
    "SQLITE_SYNCHRONOUS": "OFF",
    "LANGUAGE_CODE": "de",
    "TIME_ZONE": "Mars/Olympus",
    "LOG_LEVEL": "LOUD",
}
# Any text will do for these.
NEVER_WRONG = {"SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"}


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without configuration, plus the variables."""
    clean = {name: value for name, value in os.environ.items() if name not in VALUES}
    clean["DJANGO_SETTINGS_MODULE"] = "workers_tutorial.settings"
    return clean | variables


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read_settings(**variables: str) -> dict[str, str]:
    done = run("-c", PRINT_SETTINGS, SECRET_KEY="known", **variables)
    assert done.returncode == 0, done.stderr
    settings: dict[str, str] = json.loads(done.stdout)
    settings.pop("ENV_FILE")
    return settings


def variables_that_settings_read() -> list[str]:
    """Return the names in `env.str("NAME", ...)` and the like, in their order."""
    tree = ast.parse((ROOT / "workers_tutorial/settings.py").read_text("utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.func.attr not in {"read_env", "seal"}
    ]
    names = {call.args[0]: call.lineno for call in calls if call.args}
    assert len(names) == len(calls)
    ordered = sorted(names, key=names.__getitem__)
    return [str(name.value) for name in ordered if isinstance(name, ast.Constant)]


# --- the example ----------------------------------------------------------------------


def test_the_example_lists_what_the_settings_read_in_the_same_order() -> None:
    assert list(VALUES) == variables_that_settings_read()


def test_the_token_comes_first_and_is_the_only_thing_to_fill_in() -> None:
    assert next(iter(VALUES.items())) == ("TG_BOT_TOKEN", "replace_me")
    assert "replace_me" not in list(VALUES.values())[1:]


@pytest.mark.parametrize("name", VALUES)
def test_every_variable_is_explained_in_the_line_above(name: str) -> None:
    above = LINES[LINES.index(f"{name}={VALUES[name]}") - 1]
    assert re.fullmatch(r"# .+\.", above)


def test_the_file_that_is_read_is_explained() -> None:
    assert any("ENV_FILE" in line for line in LINES if line.startswith("#"))


def test_the_example_says_the_defaults() -> None:
    assert read_settings(ENV_FILE=str(EXAMPLE)) == read_settings(ENV_FILE=os.devnull)


def test_the_environment_wins_over_the_file() -> None:
    settings = read_settings(ENV_FILE=str(EXAMPLE), NOTIFICATIONS_RATE="5")
    assert settings["NOTIFICATIONS_RATE"] == "5.0"


@pytest.mark.parametrize("token", ["", "replace_me"])
def test_a_token_that_nobody_filled_in_is_missing(token: str) -> None:
    settings = read_settings(ENV_FILE=os.devnull, TG_BOT_TOKEN=token)
    assert settings["TG_BOT_TOKEN"] == "''"


# --- mistakes -------------------------------------------------------------------------


def test_all_mistakes_are_told_in_one_message_without_secrets() -> None:
    done = run("manage.py", "check", ENV_FILE=os.devnull, **MISTAKES)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
    told = re.findall(r"^  (\w+): (.+)$", done.stderr, re.MULTILINE)
    assert {name for name, _ in told} == set(MISTAKES)
    assert all(explanation.endswith(".") for _, explanation in told)


def test_every_variable_is_checked() -> None:
    assert set(MISTAKES) | NEVER_WRONG == set(VALUES)


def test_django_has_nothing_against_the_production_settings_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    block = next(block for block in blocks if "HTTPS_ONLY=true" in block)
    settings = dict(line.split("=", 1) for line in block.splitlines())

    done = run(
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        ENV_FILE=os.devnull,
        # As long and as mixed as the one that is made.
        SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMN",
        **settings,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "address",
    ["ftp://shop:s3cret@proxy.example:1", "socks5://shop:s3cret@proxy.example"],
)
def test_a_proxy_needs_a_scheme_that_is_known_and_a_port(address: str) -> None:
    done = run("manage.py", "check", ENV_FILE=os.devnull, TG_PROXY_URL=address)

    assert "  TG_PROXY_URL: Must " in done.stderr
    assert "s3cret" not in done.stderr


# --- the secret key -------------------------------------------------------------------


def test_the_secret_key_is_made_once_for_the_owner_s_eyes_only(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    first, second = (
        run("-c", PRINT_SETTINGS, ENV_FILE=str(file)).stdout for _ in range(2)
    )

    assert json.loads(first)["SECRET_KEY"] == json.loads(second)["SECRET_KEY"]
    assert len(json.loads(first)["SECRET_KEY"]) >= 50
    assert file.read_text().count("SECRET_KEY=") == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_stood_in_the_file_stays_there(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# Ours\nSECRET_KEY=\nTG_BOT_TOKEN=replace_me")

    key = ensure_secret_key(file)

    assert file.read_text() == (
        f"# Ours\nSECRET_KEY=\nTG_BOT_TOKEN=replace_me\nSECRET_KEY='{key}'\n"
    )
    assert ensure_secret_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_process_waits_for_the_key_that_another_is_writing(tmp_path: Path) -> None:
    """Two that start at once would otherwise each sign with a key of their own."""
    if not LOCKS.exists():
        pytest.skip(f"there is no {LOCKS}")
    with (tmp_path / ".env").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-c", PRINT_SECRET_KEY, file.name],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(
            lambda: f"-> FLOCK  ADVISORY  WRITE {process.pid} " in LOCKS.read_text(),
            what="the wait for the lock",
        )
        file.write("SECRET_KEY='the first one'\n")

    assert process.communicate(timeout=30)[0] == "the first one\n"


def test_a_folder_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / ".env"
    done = run("manage.py", "check", ENV_FILE=str(file))

    assert done.returncode == 1
    assert f"cannot be kept in {file} (No such file or directory)" in done.stderr
    assert "set SECRET_KEY in the environment" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_may_not_be_written_is_told_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    done = run("-c", KEEP_SECRET_KEY_AS_NOBODY, str(tmp_path / ".env"))

    assert ImproperlyConfigured.__name__ in done.stderr
    assert "(Permission denied). Make the folder writable" in done.stderr


def test_a_relative_database_is_the_same_from_every_folder(tmp_path: Path) -> None:
    script = (
        "from django.conf import settings; print(settings.DATABASES['default']['NAME'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "workers_tutorial.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x",
            "DATABASE_URL": "sqlite:///shop.db",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == str(ROOT / "shop.db")
