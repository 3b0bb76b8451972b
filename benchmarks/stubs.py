"""Bot API servers that answer every call with success, and little else."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ANSWER = json.dumps({"ok": True, "result": {"message_id": 1, "date": 1}})
START_SECONDS = 10.0

NGINX_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""


@contextlib.contextmanager
def fast_stub() -> Iterator[tuple[str, str]]:
    """Serve far faster than any client here; yield its address and what serves."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="bench-stub-") as folder:
        if nginx := shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin"):
            config = Path(folder, "nginx.conf")
            config.write_text(
                NGINX_CONFIG.format(folder=folder, port=port, answer=ANSWER)
            )
            command = [nginx, "-p", folder, "-c", str(config)]
        else:
            command = [sys.executable, "-m", "benchmarks.stubs", str(port), "0"]
        with _running(command, url):
            yield url, "nginx" if nginx else "asyncio (no nginx here: slower)"


@contextlib.contextmanager
def slow_stub(latency_seconds: float) -> Iterator[str]:
    """Serve each call after the same latency, any number of them at once."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "benchmarks.stubs",
        str(port),
        str(latency_seconds),
    ]
    with _running(command, f"http://127.0.0.1:{port}"):
        yield f"http://127.0.0.1:{port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def _running(command: list[str], url: str) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"The stub does not answer: {command}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/bot1:x/getMe", timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        return False


class Stub(asyncio.Protocol):
    """Just enough of HTTP/1.1: each request is answered after the latency."""

    reply = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(ANSWER)}\r\n\r\n{ANSWER}"
    ).encode()

    def __init__(self, latency_seconds: float) -> None:
        self.latency = latency_seconds
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (request := self._cut_request()) is not None:
            del request
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self._answer)
            else:
                self._answer()

    def _cut_request(self) -> bytes | None:
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        return rest[:length]

    def _answer(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.write(self.reply)


async def _serve(port: int, latency_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stub(latency_seconds), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
