"""Tiny proxies, HTTP with or without TLS and SOCKS5, all of which want a password."""

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
from urllib.parse import urlsplit

from tests.support.raw_server import StreamServer, authority

LOGIN, PASSWORD = "shop", "open-sesame-4711"

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


class Refused(ConnectionError):
    """The client may not use this proxy."""


class _Proxy(StreamServer):
    scheme = ""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def url(self, password: str = PASSWORD) -> str:
        return f"{self.scheme}://{LOGIN}:{password}@127.0.0.1:{self.port}"

    async def reach(self, host: str, port: int) -> tuple[Reader, Writer]:
        # No test needs a name resolved: whatever the name, the server is here.
        here = host.replace("telegram.example", "127.0.0.1")
        return await asyncio.open_connection(here, port)


class HttpProxy(_Proxy):
    """CONNECT for https, and absolute addresses for http."""

    scheme = "http"
    expected = base64.b64encode(f"{LOGIN}:{PASSWORD}".encode())

    async def handle(self, reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(" ", 2)
        if b"proxy-authorization: basic " + self.expected.lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            raise Refused
        self.targets.append(target)
        tunnel = method == "CONNECT"
        address = urlsplit(f"//{target}" if tunnel else target)
        upstream = await self.reach(address.hostname or "", address.port or 80)
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            upstream[1].write(head)
        await _join((reader, writer), upstream)


class HttpsProxy(HttpProxy):
    """The same, reached over TLS with the certificate of `raw_server.authority`."""

    scheme = "https"

    def __init__(self) -> None:
        super().__init__()
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert("127.0.0.1").configure_cert(self.ssl_context)


class Socks5Proxy(_Proxy):
    """RFC 1928 with the login of RFC 1929; CONNECT only."""

    scheme = "socks5"

    async def handle(self, reader: Reader, writer: Writer) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\x05\x02")
        login = await _short_text(reader, skip=1)
        password = await _short_text(reader)
        if (login, password) != (LOGIN, PASSWORD):
            writer.write(b"\x01\x01")
            raise Refused
        writer.write(b"\x01\x00")
        _, _, _, kind = await reader.readexactly(4)
        host = (
            await _short_text(reader)
            if kind == 3
            else socket.inet_ntoa(await reader.readexactly(4))
        )
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        self.targets.append(f"{host}:{port}")
        try:
            upstream = await self.reach(host, port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))  # connection refused
            raise Refused from None
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await _join((reader, writer), upstream)


async def _short_text(reader: Reader, *, skip: int = 0) -> str:
    await reader.readexactly(skip)
    (length,) = await reader.readexactly(1)
    return (await reader.readexactly(length)).decode()


async def _join(client: tuple[Reader, Writer], upstream: tuple[Reader, Writer]) -> None:
    async def pump(reader: Reader, writer: Writer) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()

    await asyncio.gather(pump(client[0], upstream[1]), pump(upstream[0], client[1]))
