"""What can go wrong with S3, in words: the place, what was met, and the cure. No secret is repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from pipelines.errors import Refused, ScriptoriumError, TryAgain

NOT_ACCEPTED = "the credentials are not accepted; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
NOT_ALLOWED = (
    "access is denied; the credentials need s3:ListBucket and s3:GetObject there, "
    "to write s3:PutObject and s3:DeleteObject too"
)
BUSY = "the store asks to slow down or has a fault of its own; what was fetched is kept, so try again later"
ANSWERS: Mapping[str, tuple[type[ScriptoriumError], str]] = {
    "NoSuchBucket": (Refused, "there is no such bucket; check its name, and AWS_ENDPOINT_URL"),
    "NoSuchKey": (Refused, "there is no such object; check its name (case counts)"),
    "404": (Refused, "there is no such bucket or object; check its name (case counts), and AWS_ENDPOINT_URL"),
    "InvalidObjectState": (Refused, "the object is archived; restore it from Glacier first"),
    "AccessDenied": (ScriptoriumError, NOT_ALLOWED),
    "403": (ScriptoriumError, NOT_ALLOWED),
    "InvalidAccessKeyId": (ScriptoriumError, NOT_ACCEPTED),
    "SignatureDoesNotMatch": (ScriptoriumError, NOT_ACCEPTED),
    "InvalidToken": (ScriptoriumError, NOT_ACCEPTED),
    "ExpiredToken": (ScriptoriumError, "the credentials have expired; get new ones"),
    "RequestTimeTooSkewed": (ScriptoriumError, "this machine's clock is wrong by more than 15 minutes; set it"),
    "PermanentRedirect": (ScriptoriumError, "the bucket is in another region; set AWS_REGION to it"),
    "SlowDown": (TryAgain, BUSY),
    "503": (TryAgain, BUSY),
    "ServiceUnavailable": (TryAgain, BUSY),
    "InternalError": (TryAgain, BUSY),
    "500": (TryAgain, BUSY),
}
NO_CREDENTIALS = "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"


class Changed(ScriptoriumError):
    """A file is no longer the one that was listed."""


class Damaged(ScriptoriumError):
    """The bytes that arrived are not those that the store says it holds."""


@contextmanager
def in_words(where: str) -> Iterator[None]:
    """Turn what boto3 raises into one message with the place and the cure."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _answer(error.response.get("Error", {}), where) from None
    except (BotoCoreError, Boto3Error) as error:
        raise _trouble(error, where) from None


def _answer(error: Mapping[str, str], where: str) -> ScriptoriumError:
    code = error.get("Code", "?")
    kind, words = ANSWERS.get(code, (ScriptoriumError, f"S3 answers {code}: {error.get('Message', '')[:80]}"))
    return kind(f"{where}: {words}")


def _trouble(error: Exception, where: str) -> ScriptoriumError:
    from botocore import exceptions as botocore

    if isinstance(error, botocore.NoCredentialsError | botocore.PartialCredentialsError):
        return ScriptoriumError(f"{where}: {NO_CREDENTIALS}")
    if isinstance(error, botocore.ProfileNotFound):
        return ScriptoriumError(f"{where}: {error}; check AWS_PROFILE")
    if isinstance(error, botocore.ParamValidationError):
        return Refused(f"{where}: S3 allows no such name of a bucket or object")
    if isinstance(error, lost()):
        cure = "check AWS_ENDPOINT_URL and that the server runs"
        return ScriptoriumError(f"{where}: {_server(error)} does not answer ({type(error).__name__}); {cure}")
    said = re.sub(r"//[^/\s]*@", "//", str(error))
    return ScriptoriumError(f"{where}: {type(error).__name__}: {said[:200]}")


def lost() -> tuple[type[Exception], ...]:
    """What boto3 raises when no connection comes about, or one breaks."""
    from botocore import exceptions as botocore

    return (botocore.ConnectionError, botocore.HTTPClientError, botocore.IncompleteReadError)


def _server(error: Exception) -> str:
    """Where the client spoke to, without a user or password."""
    url = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url") or ""))
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "") if url.hostname else "the server"
