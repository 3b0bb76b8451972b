"""How a worker's own threads connect to PostgreSQL; elsewhere nothing is changed."""

from typing import Any

from django.db import connections

# A server that vanished without a word (a failover, a cut cable) is noticed after about
# 15 s instead of two hours, when there is nothing to send and when there is.
LIVELINESS = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
# PostgreSQL cuts a longer one.
LONGEST_NAME = 63


def prepare_connection(using: str, role: str) -> None:
    """Have this thread's connection notice a lost server, and show what it is for.

    Call it before the thread connects. What the project's OPTIONS say comes first, and
    for the name in `pg_stat_activity` also the environment's PGAPPNAME.
    """
    connection: Any = connections[using]
    if connection.vendor != "postgresql":
        return
    own = LIVELINESS | {"fallback_application_name": role[:LONGEST_NAME]}
    values = connection.settings_dict
    # A copy: the other threads' connections share the original.
    connection.settings_dict = values | {"OPTIONS": own | values["OPTIONS"]}
