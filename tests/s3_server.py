"""A real S3 server of a test's own, and a wire to it that counts, cuts and corrupts what passes."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_S = 30


@dataclass(frozen=True)
class Server:
    """Where it listens and who may speak to it."""

    port: int
    key: str
    secret: str

    def environment(self, port: int | None = None) -> dict[str, str]:
        """What boto3 needs to find it, by way of another port when one is given."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """rclone's S3 server over `folder`, whose sub-folders are the buckets; no file there may be touched meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(port, f"test{secrets.token_hex(8)}", secrets.token_hex(16))
    command = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{port}", str(folder)]
    # By its environment, so that no list of processes shows the secret.
    own = {"RCLONE_AUTH_KEY": f'"{server.key},{server.secret}"', "RCLONE_CONFIG": os.devnull}
    log_path = folder.with_name(f"{folder.name}.log")
    with log_path.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | own)
    try:
        _wait(port, process, log_path)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"rclone did not start:\n{log.read_text()[-2000:]}")


class Wire:
    """A connection to a server that counts the bytes it brings, cuts them off, or changes one.

    `cut_at` and `flip_at` are positions in all that was brought; each happens once, the first then `on_cut`.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.brought = 0
        self.cut_at: int | None = None
        self.flip_at: list[int] = []
        self.on_cut: Callable[[], None] = lambda: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Refuse new connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, brings: bool) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                sink.sendall(self._spoil(block) if brings else block)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _spoil(self, block: bytes) -> bytes:
        start, self.brought = self.brought, self.brought + len(block)
        if self.cut_at is not None and self.brought > self.cut_at:
            self.cut_at = None
            self.on_cut()
            raise ConnectionAbortedError
        if self.flip_at and start <= self.flip_at[0] < self.brought:
            spoilt = bytearray(block)
            spoilt[self.flip_at.pop(0) - start] ^= 1
            return bytes(spoilt)
        return block
