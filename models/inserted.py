"""What a method put into a model to stay there: config.json names it, and a model that is loaded gets it back."""

from __future__ import annotations

from typing import Any

from models import bottleneck, virtual_tokens


def insert(model: Any, config: Any) -> None:
    """Put into a model what a config names: bottlenecks, virtual tokens, or nothing."""
    if width := getattr(config, bottleneck.WIDTH, None):
        bottleneck.insert(model, width)
    if saved := getattr(config, virtual_tokens.KEY, None):
        virtual_tokens.put_back(model, saved)


def with_insertions(kind: Any, config: Any) -> Any:
    """The class to load: with what the config names in it; an Auto class stands for its model class."""
    if not (getattr(config, bottleneck.WIDTH, None) or virtual_tokens.length(config)):
        return kind
    plain = kind._model_mapping[type(config)] if hasattr(kind, "_model_mapping") else kind  # noqa: SLF001

    def build(self: Any, config: Any, *rest: Any, **options: Any) -> None:
        plain.__init__(self, config, *rest, **options)
        insert(self, config)

    return type(plain.__name__, (plain,), {"__init__": build, "__module__": plain.__module__})
