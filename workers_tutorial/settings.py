"""Everything that can be configured: read once, from the environment and `.env`.

Every variable is listed in `.env.example`. All mistakes are reported together.
"""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from environs import Env, EnvValidationError, ValidationError

from workers_tutorial.env_file import check_encoding, ensure_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
_DAY = 24 * 60 * 60.0
ENV_FILE = Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env")


def _token(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9:_-]*", value):
        raise ValidationError(
            "A bot token has only Latin letters, digits, ':', '_' and '-'; copy it "
            "again from @BotFather."
        )


def _url(*schemes: str) -> Callable[..., None]:
    def check(value: str) -> None:
        if not value:
            return
        try:
            parts = urlsplit(value)
            valid = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            allowed = ", ".join(f"{scheme}://" for scheme in schemes)
            raise ValidationError(f"Must be an address that starts with {allowed}.")

    return check


def _bare_address(value: str) -> None:
    if any(character in value for character in "?#@"):
        raise ValidationError("Must be an address without ?, # and a login.")


def _proxy(value: str) -> None:
    _url("http", "https", "socks5")(value)
    if value and urlsplit(value).port is None:
        raise ValidationError("Must end with a port, for example :1080.")


def _origins(value: list[str]) -> None:
    for origin in filter(None, value):
        _url("http", "https")(origin.strip())


def _number(least: float, most: float) -> Callable[..., None]:
    def check(value: float) -> None:
        if not least <= value <= most:
            raise ValidationError(f"Must be from {least:g} to {most:g}.")

    return check


def _delays(least: float) -> Callable[..., None]:
    def check(value: list[float]) -> None:
        for delay in value:
            _number(least, _DAY)(delay)
        if not value:
            raise ValidationError("Must be seconds, for example 3,15.")

    return check


def _one_of(*choices: str) -> Callable[..., None]:
    def check(value: str) -> None:
        if value not in choices:
            raise ValidationError(f"Must be one of: {', '.join(choices)}.")

    return check


def _time_zone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(
            "Must be a time zone's name, for example Europe/Moscow."
        ) from None


def _database(value: str) -> None:
    if not value:
        return
    try:
        engine = dj_database_url.parse(value).get("ENGINE", "")
    except Exception:
        engine = ""
    if engine not in ("django.db.backends.sqlite3", "django.db.backends.postgresql"):
        raise ValidationError(
            "Must be like sqlite:////path/db.sqlite3 or "
            "postgres://user:password@host:5432/name."
        )


env = Env(eager=False)
if ENV_FILE.is_file():
    check_encoding(ENV_FILE)
    env.read_env(str(ENV_FILE), recurse=False)

# --- Telegram -------------------------------------------------------------------------

TG_BOT_TOKEN: str = env.str("TG_BOT_TOKEN", "", validate=_token)
TG_API_URL: str = (
    env.str("TG_API_URL", "", validate=[_url("http", "https"), _bare_address])
    or "https://api.telegram.org"
)
TG_PROXY_URL: str = env.str("TG_PROXY_URL", "", validate=_proxy)
TG_LINK_URL: str = (
    env.str("TG_LINK_URL", "", validate=[_url("http", "https"), _bare_address])
    or "https://t.me"
).rstrip("/")

# --- Notifications --------------------------------------------------------------------

NOTIFICATIONS_RATE: float = env.float(
    "NOTIFICATIONS_RATE", 28.0, validate=_number(0.01, 10_000)
)
NOTIFICATIONS_CONCURRENCY: int = env.int(
    "NOTIFICATIONS_CONCURRENCY", 16, validate=_number(1, 1000)
)
NOTIFICATIONS_RETRY_DELAYS: list[float] = env.list(
    "NOTIFICATIONS_RETRY_DELAYS", [3.0, 15.0], subcast=float, validate=_delays(0)
)
NOTIFICATIONS_UNCERTAIN: str = env.str(
    "NOTIFICATIONS_UNCERTAIN", "retry", validate=_one_of("retry", "hold")
)
NOTIFICATIONS_CONNECT_TIMEOUT: float = env.float(
    "NOTIFICATIONS_CONNECT_TIMEOUT", 5.0, validate=_number(0.1, _DAY)
)
NOTIFICATIONS_READ_TIMEOUT: float = env.float(
    "NOTIFICATIONS_READ_TIMEOUT", 25.0, validate=_number(0.1, _DAY)
)
NOTIFICATIONS_FLOOD_JITTER: float = env.float(
    "NOTIFICATIONS_FLOOD_JITTER", 0.5, validate=_number(0, _DAY)
)
NOTIFICATIONS_FLOOD_WINDOW: float = env.float(
    "NOTIFICATIONS_FLOOD_WINDOW", 2.0, validate=_number(0, _DAY)
)
NOTIFICATIONS_OUTAGE_AFTER: int = env.int(
    "NOTIFICATIONS_OUTAGE_AFTER", 3, validate=_number(1, 1000)
)
NOTIFICATIONS_OUTAGE_PAUSES: list[float] = env.list(
    "NOTIFICATIONS_OUTAGE_PAUSES",
    [1.0, 2.0, 5.0, 10.0, 30.0, 60.0],
    subcast=float,
    validate=_delays(0.01),  # without a pause, an outage would be one busy loop
)
NOTIFICATIONS_TOKEN_PAUSE: float = env.float(
    "NOTIFICATIONS_TOKEN_PAUSE", 60.0, validate=_number(0.01, _DAY)
)
NOTIFICATIONS_MAX_AGE_DAYS: float = env.float(
    "NOTIFICATIONS_MAX_AGE_DAYS", 7.0, validate=_number(0, 36_500)
)
NOTIFICATIONS_COUNT_EVERY_FAILURE: bool = env.bool(
    "NOTIFICATIONS_COUNT_EVERY_FAILURE", False
)

# --- Django ---------------------------------------------------------------------------

SECRET_KEY: str = env.str("SECRET_KEY", "")
DEBUG: bool = env.bool("DEBUG", False)
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"]
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list(
    "CSRF_TRUSTED_ORIGINS", [], validate=_origins
)
HTTPS_ONLY: bool = env.bool("HTTPS_ONLY", False)
DATABASE_URL: str = (
    env.str("DATABASE_URL", "", validate=_database)
    or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
)
SQLITE_SYNCHRONOUS: str = env.str(
    "SQLITE_SYNCHRONOUS", "FULL", validate=_one_of("FULL", "NORMAL")
)
LANGUAGE_CODE: str = env.str("LANGUAGE_CODE", "ru", validate=_one_of("ru", "en"))
TIME_ZONE: str = env.str("TIME_ZONE", "Europe/Moscow", validate=_time_zone)
LOG_LEVEL: str = env.str(
    "LOG_LEVEL", "INFO", validate=_one_of("DEBUG", "INFO", "WARNING", "ERROR")
)

try:
    env.seal()
except EnvValidationError as error:
    mistakes = cast("dict[str, list[str]]", error.error_messages)
    lines = [f"  {name}: {' '.join(found)}" for name, found in mistakes.items()]
    raise ImproperlyConfigured(
        f"The configuration has mistakes (environment or {ENV_FILE.name}; "
        "every variable is explained in .env.example):\n" + "\n".join(lines)
    ) from None

if TG_BOT_TOKEN == "replace_me":  # noqa: S105 - the placeholder of .env.example
    TG_BOT_TOKEN = ""
NOTIFICATIONS_MAX_AGE = timedelta(days=NOTIFICATIONS_MAX_AGE_DAYS)
ALLOWED_HOSTS = [host.strip() for host in ALLOWED_HOSTS if host.strip()]
CSRF_TRUSTED_ORIGINS = [site.strip() for site in CSRF_TRUSTED_ORIGINS if site.strip()]
SECRET_KEY = SECRET_KEY or ensure_secret_key(ENV_FILE)

INSTALLED_APPS = [
    # Before the admin: their templates come first.
    "notifications",
    "django_workers",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "workers_tutorial.browser_rules.BrowserRulesMiddleware",
    "workers_tutorial.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "workers_tutorial.languages.ShopLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "notifications.admin.error_pages.ButtonsOnlyMiddleware",
]
CSRF_FAILURE_VIEW = "notifications.admin.error_pages.stale_form"

ROOT_URLCONF = "workers_tutorial.urls"
ASGI_APPLICATION = "workers_tutorial.asgi.application"
WSGI_APPLICATION = "workers_tutorial.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_health_checks=True)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    if DATABASES["default"]["NAME"] != ":memory:":
        # The same file, whichever folder a command is started in.
        DATABASES["default"]["NAME"] = str(BASE_DIR / DATABASES["default"]["NAME"])
    DATABASES["default"]["OPTIONS"] = {
        # The write lock is taken when a transaction opens: one that read first and
        # then wrote would fail at once with "database is locked", without waiting.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous={SQLITE_SYNCHRONOUS}"
        ),
    }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# What the bot says; the apps bring their own catalogues.
LOCALE_PATHS = [BASE_DIR / "bot" / "locale"]
LANGUAGES = [("ru", _("Russian")), ("en", _("English"))]
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
# Static files are served from where the packages keep them: nothing to collect first.
WHITENOISE_USE_FINDERS = True

SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
if HTTPS_ONLY:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": LOG_LEVEL}
        for name in ("django_workers", "notifications", "bot")
    }
    | {
        # httpx writes every address that it calls at INFO.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # Django replaces its own console handler: one line per problem, with time.
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
