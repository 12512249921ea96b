"""A service that messages are sent to, on a free loopback port."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Inbox:
    """What has come in, oldest first."""

    port: int
    received: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Take JSON by POST on 127.0.0.1 until the block ends."""

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            box.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        box = Inbox(server.server_address[1])
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield box
        finally:
            server.shutdown()
