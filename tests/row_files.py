"""Files of rows, built in a test, and what was read of them."""

import json

from pipelines.formats import FORMATS
from pipelines.limits import Limits
from pipelines.reading import read_blocks

LIMITS = Limits()


def row(number, **more):
    return {"id": f"r{number}", "text": f"text number {number}", "label": "a", "lang": "en"} | more


def lines(rows):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()


GOOD = lines(row(n) for n in range(200))


def read(path, form="classification", limits=LIMITS):
    """Rows that are right, rows in all, and {check: lines} of the others."""
    right, count, faults = 0, 0, {}
    for block in read_blocks(path, FORMATS[form], limits, keep=True):
        right, count = right + len(block.frame), count + block.rows
        for fault in block.faults:
            faults.setdefault(fault.check, []).append(fault.line)
    return right, count, faults


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path
