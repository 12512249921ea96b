"""Say the user's pip configuration in uv's words: `pip config list | python infra/uv_settings.py` prints exports.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import ast
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

# pip's option: uv's variables, and what stands between several values.
WORDS = {
    "index-url": (("UV_DEFAULT_INDEX",), " "),
    "extra-index-url": (("UV_INDEX",), " "),
    "find-links": (("UV_FIND_LINKS",), ","),
    "no-index": (("UV_NO_INDEX",), " "),
    "trusted-host": (("UV_INSECURE_HOST",), " "),
    "cert": (("SSL_CERT_FILE",), " "),
    "client-cert": (("SSL_CLIENT_CERT",), " "),
    "proxy": (("HTTP_PROXY", "HTTPS_PROXY"), " "),
    "timeout": (("UV_HTTP_TIMEOUT",), " "),
    "default-timeout": (("UV_HTTP_TIMEOUT",), " "),
    "retries": (("UV_HTTP_RETRIES",), " "),
}
PLACES = ("index-url", "extra-index-url", "find-links")
# pip's own order of precedence, weakest first; sections that are other commands' do not concern us.
SECTIONS = ("global", "install", ":env:")


def uv_settings(pip_config_list: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Translate the output of `pip config list`; also name the places left out because they do not exist.

    What the user already says to uv itself stands.
    """
    options = _effective(pip_config_list)
    missing = [p for name in PLACES for p in options.get(name, "").split() if not _there(p)]
    # pip takes the best version of all indexes; uv by default stops at the first index that has the name.
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name, (variables, between) in WORDS.items():
        values = [v for v in options.get(name, "").split() if v not in missing]
        found.update(dict.fromkeys(variables, between.join(values)) if values else {})
    return {name: value for name, value in found.items() if name not in environ}, missing


def _effective(pip_config_list: str) -> dict[str, str]:
    options: dict[tuple[str, str], str] = {}
    for line in pip_config_list.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.strip().rpartition(".")
        if section in SECTIONS:
            options[section, option.removeprefix("-").replace("_", "-")] = str(ast.literal_eval(value))
    return {option: options[s, option] for s in SECTIONS for section, option in options if section == s}


def _there(place: str) -> bool:
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).exists()
    return bool(parts.scheme) or Path(place).expanduser().exists()


if __name__ == "__main__":
    settings, missing_places = uv_settings(sys.stdin.read(), os.environ)
    for gone in missing_places:
        print(f"note: your pip configuration names {gone}, which does not exist; going on without it", file=sys.stderr)
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")
