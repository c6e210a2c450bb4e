"""A web server of a test: files out of a dict, with and without ranges, and with every fault.

    with WebServer({"a.txt": b"text"}) as server:
        server.url("a.txt")

A fault is asked for each GET, by its number among those of its file: 500 and the like are answered
with that status; "cut" sends half of what it promised; "gone" removes the file from then on.
"""

import functools
import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Fault = int | str | None


class WebServer:
    """A server on a port of its own.

    Attributes:
        requests: "HEAD" or "GET", path and Range header of each, in the order of arrival.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        *,
        has_ranges: bool = True,
        has_size: bool = True,
        fault: Callable[[str, int], Fault] = lambda name, count: None,
        media_type: str = "text/plain",
    ) -> None:
        self.files, self.has_ranges, self.has_size = files, has_ranges, has_size
        self.fault, self.media_type = fault, media_type
        self.requests: list[tuple[str, str, str | None]] = []
        self.connections = 0
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"web": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, name: str = "") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def count(self, name: str) -> int:
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def __enter__(self) -> "WebServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@functools.lru_cache(64)
def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


class _Handler(BaseHTTPRequestHandler):
    web: WebServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.web.connections += 1

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # the reader has had enough
            super().handle()

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        web, name = self.web, self.path.lstrip("/").partition("?")[0]
        span = self.headers["Range"]
        web.requests.append((self.command, name, span))
        fault = web.fault(name, web.count(name)) if with_body else None
        if fault == "gone":
            web.files.pop(name, None)
        data = web.files.get(name)
        if data is None or isinstance(fault, int):
            self.send_response(404 if data is None else int(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tag = _tag(data)
        if span and web.has_ranges:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, len(data)) if last else len(data)
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            data = data[start:end]
        else:
            self.send_response(200)
        if web.has_size:
            self.send_header("Content-Length", str(len(data)))
        else:
            self.close_connection = True
        self.send_header("Content-Type", web.media_type)
        self.send_header("ETag", tag)
        self.end_headers()
        if not with_body:
            return
        if fault == "cut":
            data = data[: len(data) // 2]
            self.close_connection = True
        self.wfile.write(data)
