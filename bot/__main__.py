"""`python -m bot`: the bot, the worker and the admin. `python -m bot demo`: a trial."""

import sys
from importlib.util import find_spec

_NEEDED = (
    "aiogram aiohttp aiohttp_socks asgiref dj_database_url django environs httpx "
    "uvicorn whitenoise"
)


def main(arguments: list[str]) -> int:
    missing = [name for name in _NEEDED.split() if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"Packages are missing here ({', '.join(missing)}): run `make setup`, "
            "then start with .venv/bin/python.\n"
        )
        return 1

    from bot import cli
    from bot.processes import child

    if arguments[:1] and arguments[0] in child.NAMES:
        return child.run(arguments[0], arguments[1:])
    return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
