"""The files of rows behind some paths: archives are unpacked, each under a name that a person recognises."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.containers import Unreadable
from pipelines.limits import Limits

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
