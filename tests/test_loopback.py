"""A proxy stands between us and the world, never between us and our own servers."""

import http.server
import os
import threading

import httpx
import pytest
import requests

from pipelines.loopback import past_proxies


@pytest.fixture
def server():
    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Hello) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.fixture
def proxy(monkeypatch, free_port):
    """A proxy that is not there: whoever asks it gets no answer."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    return monkeypatch


def test_both_libraries_that_ask_our_servers_go_round_the_proxy(server, proxy):
    with pytest.raises(httpx.ConnectError):
        httpx.get(server)
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(server, timeout=5)
    for name, value in past_proxies(os.environ).items():
        proxy.setenv(name, value)
    assert httpx.get(server).status_code == requests.get(server, timeout=5).status_code == 204


@pytest.mark.parametrize("kept", ["intranet.example", "*"])
def test_what_the_user_keeps_from_the_proxy_stays_so(kept):
    found = past_proxies({"NO_PROXY": f" {kept} "})
    assert kept in found["no_proxy"].split(",")
    assert past_proxies(found) == found
