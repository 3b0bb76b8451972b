"""Takes a port of this machine, or finds a free one."""

import socket

_BACKLOG = 128
_NEXT_ONES = 20


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens already; port 0 picks a free one.

    Whoever connects before the web server is up, or while it restarts, waits for it.

    Raises:
        OSError: the port is busy, or the host is not of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        # Without it the port of a server that has just stopped stays busy for minutes.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def listen_near(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the port, or on the next free one above it."""
    for candidate in range(port, min(port + _NEXT_ONES, 65536)):
        try:
            return listen(host, candidate)
        except OSError:
            continue
    return listen(host, 0)


def find_free(host: str) -> int:
    """Return a port that was free a moment ago."""
    with listen(host, 0) as listening:
        return port_of(listening)


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def url_of(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
