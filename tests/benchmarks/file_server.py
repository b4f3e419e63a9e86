"""A real HTTP server on this machine that sends a file, cuts connections, redirects and refuses, as it is told."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 20_000  # 5 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class FileServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        content: The file.
        tag: Its version.
        cuts: After how many bytes of the answer each of the next connections is cut.
        sends_parts: Whether it heeds ``Range``.
        heeds_versions: Whether it heeds ``If-Range``.
        ranges: The ``Range`` of each request so far.
        moved_to: Where ``/moved`` sends.
        length: The ``Content-Length`` to say instead of the true one.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.tag, self.cuts, self.ranges = CONTENT, '"v1"', [], []
        self.sends_parts, self.heeds_versions, self.moved_to, self.length = True, True, "", ""

    def handle_error(self, request, client_address):
        """Nothing: clients end connections when they refuse a file."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.moved_to)
            self.end_headers()
        elif self.path == "/page":
            self._send(200, 0, b"<html>Are you sure?", "text/html; charset=utf-8")
        elif self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"-5\r\nabc")
        elif self.path.endswith("data.zip"):
            self._send_file()
        else:
            self.send_error(404)

    def _send_file(self):
        content, asked = self.server.content, self.headers.get("Range")
        same = self.headers.get("If-Range", self.server.tag) == self.server.tag or not self.server.heeds_versions
        if not (asked and same and self.server.sends_parts):
            return self._send(200, 0, content, "application/zip")
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start < len(content):
            return self._send(206, start, content[start:], "application/zip")
        self.send_response(416)
        self.send_header("Content-Range", f"bytes */{len(content)}")
        self.end_headers()

    def _send(self, status, start, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", self.server.length or str(len(body)))
        self.send_header("ETag", self.server.tag)
        if status == 206:
            size = start + len(body)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)


@contextmanager
def file_server():
    """Run a server."""
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
