"""Web pages that work offline: one HTML file each, with its style and plots inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.errors import Refused

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: Any) -> str:
    """Fill a template of `pipelines/templates`; every value is escaped, and a value it lacks is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def write_page(path: Path, page: str) -> None:
    """Put a page in its place, whole or not at all. Raises Refused where it cannot be written."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}; name another file for the page") from None
