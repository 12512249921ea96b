"""The servers of this machine are asked directly, whatever proxy the rest of the world is behind."""

from __future__ import annotations

from collections.abc import Mapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPELLINGS = ("no_proxy", "NO_PROXY")


def past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables, in both their spellings, that keep calls to this machine from a proxy; what they held stays."""
    kept = [host.strip() for name in SPELLINGS for host in environ.get(name, "").split(",") if host.strip()]
    # Beside other names a star would be taken for one of them.
    hosts = "*" if "*" in kept else ",".join(dict.fromkeys([*kept, *LOOPBACK]))
    return dict.fromkeys(SPELLINGS, hosts)
