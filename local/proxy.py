"""A proxy on a free loopback port that forwards requests to the emulator, and lets a test interfere with them."""

from __future__ import annotations

import http.client
import sys
import threading
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Headers that apply to one connection, and those that this server writes itself.
OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "date", "server")


@dataclass
class Request:
    method: str
    path: str
    headers: Message
    body: bytes
    # Port of the client, which identifies the connection.
    port: int


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    # The connection is cut after this many bytes of the body.
    cut_after: int | None = None


class Proxy:
    """Forwards each request. A subclass overrides `answer` to do something else."""

    def __init__(self, target: str) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One packet for the header and a small body. The client delays the acknowledgment of the first of two.
            wbufsize = 1 << 16

            def setup(self) -> None:
                proxy.connections += 1
                super().setup()

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                response = proxy.answer(Request(self.command, self.path, self.headers, body, self.client_address[1]))
                if response is None:
                    self.close_connection = True
                    return
                self.send_response(response.status)
                for header, value in response.headers.items():
                    if header.lower() not in OWN_HEADERS:
                        self.send_header(header, value)
                length = response.headers.get("Content-Length") if self.command == "HEAD" else str(len(response.body))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(response.body[: response.cut_after])
                self.close_connection = self.close_connection or response.cut_after is not None

            do_GET = do_HEAD = do_POST = respond

            def log_message(self, *_: object) -> None:
                pass

        self.host = urlsplit(target).netloc
        self.connections = 0
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: Request) -> Response | None:
        """The response to a request, or `None` to close the connection without one."""
        return self.forward(request)

    def forward(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        connection = http.client.HTTPConnection(self.host)
        try:
            connection.request(request.method, request.path, request.body or None, headers)
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


class Server(ThreadingHTTPServer):
    # trailscan opens 64 connections at once. With the default of 5, the kernel drops some and the client waits.
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A client may end at any time.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]
