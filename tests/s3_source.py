"""A bucket of a test's own on a real S3 server, the wire to it, and what was taken."""

import hashlib
import random

import pytest

from pipelines import s3
from pipelines.delivery import deliveries, landing
from pipelines.landing import take
from pipelines.settings import read_settings
from tests.s3_server import Wire, s3_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for the module."""
    with s3_server(tmp_path_factory.mktemp("s3") / "buckets") as running:
        yield running


@pytest.fixture
def wire(server):
    wire = Wire(server.port)
    yield wire
    wire.close()


@pytest.fixture
def settings(server, wire, tmp_path, monkeypatch):
    """A home of its own; boto3 finds the server by way of the wire."""
    for name, value in server.environment(wire.port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    return read_settings()


@pytest.fixture
def bucket(settings, request):
    """An empty bucket with a name of its own."""
    name = f"test-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    s3.client().create_bucket(Bucket=name)
    return name


def put(bucket, key, content):
    s3.client().put_object(Bucket=bucket, Key=key, Body=content)


def quietly(source, settings):
    return take(source, settings, say=lambda _: None)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def taken(settings):
    folders = [landing(settings) / delivery.id / "files" for delivery in deliveries(settings)]
    return sorted(item for folder in folders for item in contents(folder).items())


def noise(size):
    return random.Random(size).randbytes(size)
