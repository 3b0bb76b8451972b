"""How is a port taken, and kept while nobody may connect to it?"""

import ipaddress
import socket


class PortInUse(OSError):
    """The port asked for belongs to another program; `port` says which one it is."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is in use by another program")
        self.host = host
        self.port = port


def require_loopback(host: str) -> None:
    """Raise ValueError for an address that other machines could reach."""
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(
            f"the local Telegram has no passwords and listens on this machine only: "
            f"use 127.0.0.1, not {host!r}"
        )


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket bound to the port that does not listen yet.

    While it does not listen, connections are refused and yet no other program can
    take the port: that is what "Telegram is down" needs. Port 0 picks a free one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without it the port of a server that has just stopped stays busy for minutes.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((host, port))
    except OverflowError:
        reserved.close()
        raise ValueError(f"{port} is no port: it must be 0 to 65535") from None
    except OSError as error:
        reserved.close()
        raise PortInUse(host, port) from error
    except BaseException:
        reserved.close()
        raise
    reserved.setblocking(False)
    return reserved
