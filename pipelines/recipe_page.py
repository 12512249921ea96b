"""Every key of a recipe as a page, drawn from its JSON schema: docs/recipe.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pipelines.recipe_schema import Schema

HEAD = """# Every key of a recipe

A recipe is a file of TOML in `pipelines/recipes/`, and this is all that it may say. Another key is refused, with the
near miss, and so are keys that do not go together, before anything runs (`scriptorium plan`). A *needed* key has no
default. What keys are good for, the pages say that the [README](../README.md#your-own-product-is-one-file) names.

`scriptorium schema --markdown > docs/recipe.md` makes this page of the code, where each meaning stands beside its key.
`scriptorium schema` makes of it what [an editor](#in-an-editor) checks recipes by.
"""
EDITOR = """## In an editor

```console
$ scriptorium schema > pipelines/recipes/recipe.schema.json
```

With `#:schema ./recipe.schema.json` as the first line of a recipe, editors that know Taplo (Visual Studio Code with
Even Better TOML) complete its keys, say what they mean, and mark unknown keys and values beyond their limits; `taplo
check` does the last in a terminal (tried: 0.9.3). What keys may not say together, no schema knows: `scriptorium plan`.
"""
COLUMNS = "| key | meaning | default | may be |\n|---|---|---|---|"
KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def page(schema: Schema) -> str:
    """The page: a section for each table, in the order of the recipe, then how an editor uses the schema."""
    known = schema["$defs"]
    tables = (("The recipe itself", "", schema), *_tables("", schema, known))
    return "\n".join([HEAD, *(_section(*table, known) for table in tables), EDITOR])


def _tables(path: str, table: Schema, known: Schema) -> Iterator[tuple[str, str, Schema]]:
    """The tables within a table: title, path and schema, each before those within it."""
    for key, value in table["properties"].items():
        below = f"{path}{key}"
        for title, name in _named(below, value):
            inner = known[name]
            inner = inner.get("anyOf", [inner])[0]
            yield f"`{title}`", f"{below}.", inner
            yield from _tables(f"{below}.", inner, known)


def _named(path: str, value: Schema) -> Iterator[tuple[str, str]]:
    """The tables that a value may be: title, as TOML has it, and name in the schema."""
    for one in value.get("anyOf", [value]):
        places = {f"[{path}]": one, f"[[{path}]]": one.get("items"), f'[{path}."KEY"]': one.get("additionalProperties")}
        for title, place in places.items():
            if "$ref" in (place or {}):
                yield title, place["$ref"].rpartition("/")[2]


def _section(title: str, path: str, table: Schema, known: Schema) -> str:
    rows = (
        _row(f"{path}{key}", value, known, needed=key in table.get("required", ()))
        for key, value in table["properties"].items()
    )
    return "\n".join([f"## {title}", "", _linked(table["description"]), "", COLUMNS, *rows, ""])


def _row(path: str, value: Schema, known: Schema, *, needed: bool) -> str:
    meanings = (known[name]["description"].partition("\n")[0] for _, name in _named(path, value))
    meaning = _linked(value.get("description") or next(meanings, ""))
    default = "*needed*" if needed else _default(value)
    cells = (f"`{path.rpartition('.')[2]}`", meaning, default, _kind(path, value))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _linked(text: str) -> str:
    """Other pages that a text names are linked to."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\g<0>](\1)", text)


def _default(value: Schema) -> str:
    default = value.get("default")
    if default in (None, []):
        return ""
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    return f"`{_number(default) if is_number else json.dumps(default)}`"


def _kind(path: str, value: Schema) -> str:
    """What a value may be, in words; a table is shown by the title of its section."""
    links = [f"[`{title}`](#{_anchor(title)})" for title, _ in _named(path, value)]
    return " or ".join([*_plain_kinds(value), *links])


def _plain_kinds(value: Schema) -> list[str]:
    """The kinds of a value that are no tables of the recipe, each once: a number that may be whole is a number."""
    found = dict.fromkeys(filter(None, (_plain(one) for one in value.get("anyOf", [value]))))
    return [kind for kind in found if not (kind == KINDS["integer"] and KINDS["number"] in found)]


def _plain(value: Schema) -> str:
    """One kind of value with its limits; empty for a table of the recipe, or several."""
    inner = value.get("items") or value.get("additionalProperties") or value
    if "$ref" in inner:
        return ""
    if "enum" in value or "const" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value.get("enum", [value.get("const")]))
    if inner is not value:
        many = "list" if value["type"] == "array" else "table"
        kind = f"{many} of {' or '.join(_plain_kinds(inner))}"
    else:
        kind = KINDS[value["type"]]
    return ", ".join(filter(None, [kind, _bounds(value), f"`{value['pattern']}`" if "pattern" in value else ""]))


def _bounds(value: Schema) -> str:
    """The limits of a number, or of how many there are, in words."""
    least = next((value[key] for key in ("minimum", "minItems", "minProperties") if key in value), None)
    above, most, below = (value.get(key) for key in ("exclusiveMinimum", "maximum", "exclusiveMaximum"))
    if least is not None and most is not None:
        return f"{_number(least)} to {_number(most)}"
    told = (("above {}", above), ("{} or more", least), ("at most {}", most), ("below {}", below))
    return " and ".join(words.format(_number(limit)) for words, limit in told if limit is not None)


def _number(value: Any) -> str:
    """A number as TOML writes it, with its thousands apart where it is long."""
    whole = int(value) if float(value).is_integer() else value
    return f"{whole:_}" if isinstance(whole, int) and abs(whole) >= 10_000 else f"{whole}"


def _anchor(title: str) -> str:
    """The end of the address by which a heading is linked to."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
