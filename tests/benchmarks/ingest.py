"""How fast files come in from S3, and what a kill -9 in the middle costs: `python -m tests.benchmarks.ingest`.

Arguments: MB of the big file (default 2048), number of small files (default 10,000). rclone serves both from a
temporary folder, which needs three times the room of the big file.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipelines.settings import ROOT
from tests.s3_server import Server, Wire, s3_server

TAKE = """
import sys
from pipelines.landing import take
from pipelines.settings import read_settings
take(sys.argv[1], read_settings(), say=lambda line: print("   ", line, flush=True))
"""


def fill(buckets: Path, megabytes: int, files: int) -> None:
    """Bucket `big` with one file of noise, bucket `small` with many files of a row."""
    (buckets / "big").mkdir(parents=True)
    (buckets / "small").mkdir()
    block = os.urandom(1 << 20)
    with (buckets / "big" / "big.jsonl").open("wb") as file:
        for number in range(megabytes):
            file.write(number.to_bytes(8, "big") + block[8:])
    for number in range(files):
        (buckets / "small" / f"{number:06}.jsonl").write_text(f'{{"id": "{number}"}}\n')


def take(source: str, home: Path, server: Server, wire: Wire, until: float = float("inf")) -> tuple[float, float, int]:
    """Seconds, CPU seconds and bytes over the wire of a take; it is killed after `until` bytes."""
    environ = os.environ | server.environment(wire.port) | {"SCRIPTORIUM_HOME": str(home)}
    start, brought = time.monotonic(), wire.brought
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen([sys.executable, "-c", TAKE, source], cwd=ROOT, env=environ)
    while child.poll() is None:
        if wire.brought - brought > until:
            child.send_signal(signal.SIGKILL)
        time.sleep(0.002)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - start, cpu, wire.brought - brought


def main(megabytes: int, files: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "buckets", megabytes, files)
        with s3_server(folder / "buckets") as server:
            wire = Wire(server.port)
            rows = {
                f"{files:,} small files": take("s3://small/", folder / "small-home", server, wire),
                f"{megabytes:,} MB, killed half-way": take("s3://big/", folder / "home", server, wire, megabytes << 19),
                "... gone on with": take("s3://big/", folder / "home", server, wire),
                "... nothing new": take("s3://big/", folder / "home", server, wire),
            }
    print(f"\n{'':28} {'s':>8} {'CPU s':>8} {'MB fetched':>11}")
    for what, (seconds, cpu, brought) in rows.items():
        print(f"{what:28} {seconds:8.1f} {cpu:8.1f} {brought / 1e6:11,.1f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory of a child, the server included: {peak:,.0f} MiB")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(*(numbers + [2048, 10_000][len(numbers) :]))
