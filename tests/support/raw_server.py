"""A TCP server that does exactly what a script says, and remembers what it was sent.

It runs in a thread of its own, so that it acts even while the client's event loop is
blocked. Scripts use plain sockets: nothing is read that the script does not read.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Self

import trustme

from tests.support.loops import close_connections


@functools.cache
def authority() -> trustme.CA:
    """The authority behind the certificate of `TlsServer`, made for this run."""
    return trustme.CA()


class Peer:
    """One accepted connection, in the hands of a script."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._unread = b""
        self.log = bytearray()

    async def read_some(self) -> bytes:
        """Return what has arrived; nothing at all means that the client has closed."""
        data = await self._loop.sock_recv(self._sock, 65536)
        self.log += data
        return data

    async def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self._unread:
            data = await self.read_some()
            if not data:
                raise ConnectionError("the client closed before the end of the head")
            self._unread += data
        head, self._unread = self._unread.split(b"\r\n\r\n", 1)
        return head

    async def read_request(self) -> bytes:
        """Return the body of the next request."""
        head = await self.read_head()
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(self._unread) < length:
            data = await self.read_some()
            if not data:
                raise ConnectionError("the client closed before the end of the body")
            self._unread += data
        body, self._unread = self._unread[:length], self._unread[length:]
        return body

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    async def wait_until_client_closes(self) -> None:
        while await self.read_some():
            pass

    def close(self) -> None:
        """Close politely; with unread data in the socket, the kernel sends a reset."""
        self._sock.close()

    def reset(self) -> None:
        """Close with a reset, as a crashed or overloaded server does."""
        linger = struct.pack("ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._sock.close()


Script = Callable[[Peer], Awaitable[None]]


class _Server:
    """Plays `_play` for every connection, in a thread, until the `with` block ends.

    By then every socket is closed, wherever its connection was: one that is left open
    would be reported in another test, the one during which it becomes garbage.
    """

    def __init__(self, *, receive_buffer: int | None = None) -> None:
        self._accepted: list[socket.socket] = []
        self._playing: list[asyncio.Task[None]] = []
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer
            )
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._listener.close()

    async def _play(self, sock: socket.socket) -> None:
        raise NotImplementedError

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        # asyncio's own server, and a cancelled `sock_accept`, lose a connection that
        # they have taken already when it all ends.
        self._loop.add_reader(self._listener, self._accept)
        await self._stop.wait()
        self._loop.remove_reader(self._listener)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_connections()
        for sock in self._accepted:
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            sock, _ = self._listener.accept()
            sock.setblocking(False)
            self._accepted.append(sock)
            self._playing.append(asyncio.create_task(self._play(sock)))


class RawServer(_Server):
    """Serves every connection with the script, until the `with` block ends."""

    def __init__(self, script: Script, *, receive_buffer: int | None = None) -> None:
        super().__init__(receive_buffer=receive_buffer)
        self._script = script
        self.peers: list[Peer] = []
        self.failures: list[BaseException] = []
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> bytes:
        """Everything that all connections have read, one after the other."""
        return b"".join(bytes(peer.log) for peer in self.peers)

    @property
    def requests_written(self) -> int:
        return self.received.count(b"POST ")

    async def _play(self, sock: socket.socket) -> None:
        peer = Peer(sock)
        self.peers.append(peer)
        with contextlib.closing(sock):
            try:
                await self._script(peer)
            except ConnectionError:
                pass  # The client has gone; what it sent is in the log.
            except Exception as error:
                self.failures.append(error)
                raise


def answer(
    body: bytes = b'{"ok":true,"result":{"message_id":1}}',
    *,
    status: str = "200 OK",
    headers: bytes = b"Content-Type: application/json\r\n",
    length: int | None = None,
) -> bytes:
    """Return an HTTP answer, on request with a false length."""
    length = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n".encode()
    return head + headers + b"\r\n" + body


async def answer_everything(peer: Peer) -> None:
    while True:
        await peer.read_request()
        await peer.send(answer())


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port where nobody listens, and nobody else can."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose queue is full, so that connecting to it never ends."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield address[1]


def trusting_context() -> ssl.SSLContext:
    """A client's context that knows the certificate of `TlsServer`."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


class StreamServer(_Server):
    """Handles every connection as a stream, with TLS or without."""

    ssl_context: ssl.SSLContext | None = None

    async def handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        raise NotImplementedError

    async def _play(self, sock: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=self.ssl_context
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            with contextlib.closing(writer):
                await self.handle(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # The client has gone, or wants no such TLS.


class TlsServer(StreamServer):
    """Answers every request over TLS, and closes after each when told to."""

    def __init__(self, *, requests_per_connection: int = 1000) -> None:
        super().__init__()
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert("127.0.0.1").configure_cert(self.ssl_context)
        self._limit = requests_per_connection
        self.requests_written = 0
        self.connections = 0
        self.closed_idle = threading.Event()
        self.url = f"https://127.0.0.1:{self.port}"

    async def handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            for _ in range(self._limit):
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                self.requests_written += 1
                writer.write(answer())
                await writer.drain()
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self.closed_idle.set()
