"""What a recipe may say, as a JSON schema: editors check recipes by it, and docs/recipe.md is made of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from models.tasks import TASKS
from pipelines.recipe import Recipe

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _OfToml(GenerateJsonSchema):
    """TOML has no null: a key that may be left out has one kind of value where it stands."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        # What a table is by default, its own keys say.
        if isinstance(self.get_default_value(schema), BaseModel | None):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def recipe_schema() -> Schema:
    """The JSON schema of a recipe. What two keys may not say together it does not know; reading the recipe does."""
    schema = {"$schema": DIALECT, **Recipe.model_json_schema(schema_generator=_OfToml)}
    tables = schema["$defs"]
    for table in (schema, tables["Auxiliary"]):
        table["properties"]["task"]["enum"] = list(TASKS)
    # A list of choices stands for the table that holds it.
    values = tables["Values"]
    tables["Values"] = {"anyOf": [values, values["properties"]["choices"]], "description": values["description"]}
    return schema
