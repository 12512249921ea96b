"""What is wrong with a store or with the way to it is said with its cure; a real S3 server says so."""

import pytest

from pipelines.errors import Refused, ScriptoriumError
from tests.s3_source import bucket, quietly, server, settings, wire

__all__ = ["bucket", "server", "settings", "wire"]
pytestmark = pytest.mark.service

WRONG = {
    "no answer": ({"AWS_ENDPOINT_URL": "http://user:hush@127.0.0.1:9"}, r"http://127\.0\.0\.1:9 does not answer"),
    "no address": ({"AWS_ENDPOINT_URL": "127.0.0.1:9"}, "AWS_ENDPOINT_URL is not an address"),
    "no credentials": ({"AWS_ACCESS_KEY_ID": None, "AWS_EC2_METADATA_DISABLED": "true"}, "set AWS_ACCESS_KEY_ID"),
    "wrong key": ({"AWS_ACCESS_KEY_ID": "AKIDhush"}, "credentials are not accepted; check AWS_ACCESS_KEY_ID"),
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "hushhush"}, "credentials are not accepted"),
    "no profile": ({"AWS_PROFILE": "nobody"}, r"\(nobody\) could not be found; check AWS_PROFILE"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_the_connection_is_said_with_its_cure_and_no_secret(settings, monkeypatch, tmp_path, what):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    changes, words = WRONG[what]
    for name, value in changes.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(ScriptoriumError, match=words) as error:
        quietly("s3://many/in/", settings)
    assert "hush" not in str(error.value)


def test_a_bucket_that_is_not_there_is_refused_by_name(settings):
    with pytest.raises(
        Refused, match=r"s3://nowhere/in/: there is no such bucket; check its name, and AWS_ENDPOINT_URL"
    ):
        quietly("s3://nowhere/in/", settings)
