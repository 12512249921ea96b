"""uv installs from where the user's pip would."""

import runpy

import pytest

from pipelines.settings import ROOT


@pytest.fixture
def translated():
    translate = runpy.run_path(str(ROOT / "infra" / "uv_settings.py"))["uv_settings"]
    return lambda *lines, **environ: translate("\n".join(lines), environ)


def test_indexes_certificate_and_timeout_are_taken_over(translated):
    found, _ = translated(
        "global.index-url='https://mirror.example/simple'",
        "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'",
        "global.cert='/etc/ssl/ours.pem'",
        ":env:.default-timeout='180'",
    )
    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert found["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert found["SSL_CERT_FILE"] == "/etc/ssl/ours.pem"
    assert found["UV_HTTP_TIMEOUT"] == "180"


def test_the_best_version_of_all_indexes_is_taken_as_pip_does(translated):
    assert translated("")[0] == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_the_environment_wins_over_the_install_section_and_that_over_global(translated, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    lines = [
        f":env:.find-links='{tmp_path}/c'",
        f"global.find-links='{tmp_path}/a'",
        f"install.find-links='{tmp_path}/b'",
    ]
    assert translated(*lines)[0]["UV_FIND_LINKS"] == f"{tmp_path}/c"
    assert translated(*lines[1:])[0]["UV_FIND_LINKS"] == f"{tmp_path}/b"


def test_several_find_links_are_separated_as_uv_wants_them(translated, tmp_path):
    found, _ = translated(f":env:.find-links='{tmp_path} https://wheels.example/'")
    assert found["UV_FIND_LINKS"] == f"{tmp_path},https://wheels.example/"


def test_places_that_do_not_exist_are_left_out_and_named(translated, tmp_path):
    found, missing = translated(
        f"global.extra-index-url='file:///no/such/index file://{tmp_path}'", ":env:.find-links='/nowhere'"
    )
    assert found["UV_INDEX"] == f"file://{tmp_path}"
    assert "UV_FIND_LINKS" not in found
    assert missing == ["file:///no/such/index", "/nowhere"]


def test_what_the_user_tells_uv_itself_stands(translated):
    found, _ = translated(
        "global.index-url='https://mirror.example/simple'", UV_DEFAULT_INDEX="https://mine.example/simple"
    )
    assert "UV_DEFAULT_INDEX" not in found
