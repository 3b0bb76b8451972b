"""How `python -m bot` ends. The README lists them."""

OK = 0
# A program error, missing packages, a database that never answered, a failed --check.
FAILED = 1
# A mistake in settings or options, no token, a busy port.
MISCONFIGURED = 2
# Telegram rejects the token (EX_CONFIG): to start again would not help.
REJECTED = 78
# After a second signal: 128 + its number.
KILLED = 128
