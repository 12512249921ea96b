"""Where the example's text comes from: the documentation inside pinned, pure-Python distributions."""

from __future__ import annotations

import ast
import gzip
import importlib.metadata
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from pipelines.errors import ScriptoriumError
from pipelines.example_text import html_to_text, plain, sentences, without_notice, words

DOMAIN_SOURCE = ("botocore", "1.43.117")
# All are py3-none-any wheels that every installation has; those of HELDOUT_GENERAL are never trained on.
GENERAL_SOURCES = {
    "accelerate": "1.15.0",
    "apache-airflow-core": "3.3.2",
    "celery": "5.6.3",
    "click": "8.5.1",
    "great-expectations": "1.24.1",
    "huggingface-hub": "2.4.0",
    "jinja2": "3.1.6",
    "kombu": "5.7.0",
    "mpmath": "1.3.0",
    "networkx": "3.6.1",
    "nltk": "3.10.4",
    "peft": "0.21.2",
    "pydantic": "2.14.3",
    "rich": "15.0.0",
    "sympy": "1.14.0",
    "werkzeug": "3.1.9",
}
HELDOUT_GENERAL = ("accelerate", "celery", "nltk", "werkzeug")
# First sentences about the documentation's own state instead of what an operation does.
BOILERPLATE = re.compile(
    r"deprecat|no longer|preview|subject to chang|end of support|not intended for|replaced by|new customers|"
    r"documentation|discontinu|^(?:note|important|for more information|see )",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Operation:
    """One operation of a service: its whole text, and its first sentence and the rest where it has a usable one."""

    service: str
    name: str
    text: str
    summary: str
    body: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """One cloud service of botocore, newest version of its description."""

    name: str
    title: str
    operations: tuple[Operation, ...]
    shapes: tuple[tuple[str, str], ...]


def installed(name: str, version: str) -> Distribution:
    """The pinned distribution. Raises ScriptoriumError when another version, or none, is installed."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise ScriptoriumError(f"{name} {version} is not installed; set the environment up with `make setup`") from None
    if distribution.version != version:
        raise ScriptoriumError(
            f"the example data is made from {name} {version}, but {distribution.version} is installed; "
            "set the environment up with `make setup`"
        )
    return distribution


def read_services() -> list[Service]:
    """All services with their documented operations and shapes, sorted by name."""
    data = Path(str(installed(*DOMAIN_SOURCE).locate_file("botocore/data")))
    newest: dict[str, Path] = {}
    for path in sorted(data.glob("*/*/service-2.json.gz")):
        newest[path.parent.parent.name] = path
    return [_service(name, json.loads(gzip.decompress(path.read_bytes()))) for name, path in sorted(newest.items())]


def _service(name: str, model: dict[str, Any]) -> Service:
    shapes = model["shapes"]
    operations = [_operation(name, key, value, shapes) for key, value in sorted(model["operations"].items())]
    texts = ((key, html_to_text(shape.get("documentation", ""))) for key, shape in sorted(shapes.items()))
    return Service(
        name=name,
        title=model["metadata"]["serviceId"],
        operations=tuple(_without_repeated(operations)),
        shapes=tuple((key, text) for key, text in texts if text),
    )


def _operation(service: str, name: str, value: dict[str, Any], shapes: dict[str, Any]) -> Operation:
    source = value.get("documentation", "")
    first, *rest = html_to_text(without_notice(source)).split("\n")
    opening = sentences(first) or [""]
    members = shapes[value["input"]["shape"]].get("members", {}) if "input" in value else {}
    return Operation(
        service=service,
        name=name,
        text=html_to_text(source),
        summary=opening[0] if _is_summary(opening[0]) else "",
        body=tuple(opening[1:] + [sentence for paragraph in rest for sentence in sentences(paragraph)]),
        inputs=tuple(members),
    )


def _is_summary(sentence: str) -> bool:
    return (
        4 <= len(words(sentence)) <= 40
        and sentence[0].isupper()
        and sentence.endswith(".")
        and not BOILERPLATE.search(sentence)
    )


def _without_repeated(operations: list[Operation]) -> Iterator[Operation]:
    """Drop summaries that two operations of the service share, and body sentences that three or more share."""
    summaries = Counter(plain(o.summary) for o in operations)
    said = Counter(text for o in operations for text in {plain(s) for s in o.body})
    for o in operations:
        yield Operation(
            service=o.service,
            name=o.name,
            text=o.text,
            summary=o.summary if summaries[plain(o.summary)] == 1 else "",
            body=tuple(s for s in o.body if said[plain(s)] < 3 and plain(s)),
            inputs=o.inputs,
        )


def read_docstrings() -> Iterator[tuple[str, str, str]]:
    """(distribution, place, text) of every docstring of the general sources, in the order of their files."""
    for number, name in enumerate(sorted(GENERAL_SOURCES), 1):
        print(f"reading the docstrings of {name} ({number} of {len(GENERAL_SOURCES)} packages)", flush=True)
        for path, file in _sources(name):
            yield from ((name, f"{path}:{line}", text) for line, text in _docstrings(file))


def _sources(name: str) -> list[tuple[str, Path]]:
    """The Python files that a distribution says it installed, without its tests."""
    distribution = installed(name, GENERAL_SOURCES[name])
    if "Root-Is-Purelib: true" not in (distribution.read_text("WHEEL") or ""):
        raise ScriptoriumError(f"{name} is not a pure-Python wheel here, so its text may differ; use the lock file")
    paths = sorted(p.as_posix() for p in distribution.files or [] if p.suffix == ".py" and "tests" not in p.parts)
    return [(path, Path(str(distribution.locate_file(path)))) for path in paths]


def _docstrings(file: Path) -> list[tuple[int, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        tree = ast.parse(file.read_bytes())
    return sorted((line, prose) for line, text in _documented(tree) if (prose := _prose(text)))


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[int, str]]:
    """(line, docstring) of a module and of the classes and functions defined directly in it; ast.walk is slower."""
    if text := ast.get_docstring(node, clean=False):
        yield getattr(node, "lineno", 0), text
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(inner)


def _prose(docstring: str) -> str:
    """The paragraphs of a docstring that are sentences: no code, tables, parameter lists or headings."""
    text = re.sub(r":[a-z:]+:`~?([^`<]+?)(?: <[^>]*>)?`", r"\1", docstring).replace("``", "").replace("`", "")
    paragraphs = (" ".join(p.split()) for p in re.split(r"\n\s*\n", text))
    return "\n".join(p for p in paragraphs if _is_prose(p))


def _is_prose(paragraph: str) -> bool:
    letters = sum(c.isalpha() or c in " ,.'" for c in paragraph)
    markup = ">>>" in paragraph or ".. " in paragraph or "---" in paragraph or "===" in paragraph
    return not markup and letters >= 0.9 * len(paragraph) and len(paragraph.split()) >= 8 and paragraph[-1] in ".:!?"
