"""What is known of users and items, and how it is weighed against what a text model says."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Features = NDArray[Any]

# Both lie beside the weights: a folder by itself is served, and its manifest covers them.
KNOWN, RANKER = "known.json", "ranker.json"
# Titles of a history at most; an encoder's room ends long before.
TITLES = 50
# A mean of few ratings is drawn to that of all, as if it had so many more ratings.
PRIOR = 2.0
DAY = 86_400
# Standard deviations: time goes on after the fitting, and a day without precedent must not decide everything.
FAR = 3.0
# Columns of `features`.
FEATURES = ("text", "popularity", "item_mean", "recency", "user_mean", "user_count")


@dataclass(frozen=True)
class Item:
    """How often an item was met and liked, and when last (Unix seconds)."""

    count: int
    liked: int
    last: int


@dataclass(frozen=True)
class User:
    """How often a user met and liked an item, and what was liked: (Unix seconds, title), the newest first."""

    count: int
    liked: int
    history: Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Known:
    """What the training rows say of users and items; of others the mean of all is believed."""

    users: Mapping[str, User]
    items: Mapping[str, Item]
    mean: float
    latest: int

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Known:
        """What rows with user_id, item_id, title, label ("0" or "1") and timestamp say."""
        by_user, by_item = defaultdict(list), defaultdict(list)
        for row in rows:
            met = int(row["timestamp"]), str(row["title"]), int(row["label"])
            by_user[row["user_id"]].append(met)
            by_item[row["item_id"]].append(met)
        users = {user: _user(met) for user, met in sorted(by_user.items())}
        items = {
            item: Item(len(met), sum(like for *_, like in met), max(when for when, *_ in met))
            for item, met in sorted(by_item.items())
        }
        count = sum(user.count for user in users.values())
        latest = max((item.last for item in items.values()), default=0)
        return cls(users, items, sum(user.liked for user in users.values()) / max(1, count), latest)

    def when(self, row: Mapping[str, Any]) -> float:
        """The time of a row; after all that is known when it names none."""
        given = row.get("timestamp")
        return self.latest + 1 if given is None or math.isnan(given) else float(given)

    def history(self, row: Mapping[str, Any]) -> str:
        """Titles that the row's user liked before the row's time, the newest first; empty when there is none."""
        user, now = self.users.get(row.get("user_id") or ""), self.when(row)
        before = [title for when, title in user.history if when < now] if user else []
        return "; ".join(before[:TITLES])

    def texts(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """What the encoder compares: the user's history, and the candidate."""
        return self.history(row), f"{row['title']}\n{row['text']}"

    def means(self, row: Mapping[str, Any]) -> tuple[float, float]:
        """Share of likes of the row's item and of its user, drawn to the share of all."""
        item, user = self.items.get(row.get("item_id") or ""), self.users.get(row.get("user_id") or "")
        return self._drawn(item), self._drawn(user)

    def _drawn(self, found: Item | User | None) -> float:
        liked, count = (found.liked, found.count) if found else (0, 0)
        return (liked + PRIOR * self.mean) / (count + PRIOR)

    def popularity(self, row: Mapping[str, Any]) -> int:
        """How often the row's item was met."""
        item = self.items.get(row.get("item_id") or "")
        return item.count if item else 0

    def write(self, folder: Path) -> None:
        """Write `known.json`."""
        (folder / KNOWN).write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Known:
        """What `write` wrote."""
        found = json.loads((folder / KNOWN).read_text(encoding="utf-8"))
        users = {name: User(**user) for name, user in found["users"].items()}
        items = {name: Item(**item) for name, item in found["items"].items()}
        return cls(users, items, found["mean"], found["latest"])


def _user(met: Sequence[tuple[int, str, int]]) -> User:
    liked = sorted(((when, title) for when, title, like in met if like), reverse=True)
    return User(len(met), len(liked), liked)


def features(known: Known, rows: Sequence[Mapping[str, Any]], chances: Sequence[float]) -> Features:
    """Numbers of shape (rows, FEATURES); `chances` are the text model's probabilities of a click."""
    import numpy as np

    clipped = np.clip(np.asarray(chances, float), 1e-6, 1 - 1e-6)
    columns = [_numbers(known, row) for row in rows]
    return np.column_stack([np.log(clipped / (1 - clipped)), np.array(columns).reshape(len(rows), len(FEATURES) - 1)])


def _numbers(known: Known, row: Mapping[str, Any]) -> list[float]:
    user, item = known.users.get(row.get("user_id") or ""), known.items.get(row.get("item_id") or "")
    of_item, of_user = known.means(row)
    days = max(0.0, known.when(row) - item.last) / DAY if item else 0.0
    count = math.log1p(user.count if user else 0)
    return [math.log1p(known.popularity(row)), of_item, math.log1p(days), of_user, count]


@dataclass(frozen=True)
class Ranker:
    """A logistic regression on standardised features, as numbers: nothing is unpickled where it is served."""

    weights: Sequence[float]
    centre: Sequence[float]
    scale: Sequence[float]
    intercept: float

    @classmethod
    def fitted(cls, found: Features, clicked: Sequence[bool]) -> Ranker:
        """Fit to features of shape (rows, features) and whether each was clicked; both must occur."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(found)
        scaled = scaler.transform(found).clip(-FAR, FAR)
        model = LogisticRegression(max_iter=1000).fit(scaled, list(clicked))
        centre, scale = scaler.mean_.tolist(), scaler.scale_.tolist()
        return cls(model.coef_[0].tolist(), centre, scale, float(model.intercept_[0]))

    def chances(self, found: Features) -> list[float]:
        """Probability of a click for each row of features."""
        import numpy as np

        scaled = ((found - np.array(self.centre)) / np.array(self.scale)).clip(-FAR, FAR)
        scores = scaled @ np.array(self.weights) + self.intercept
        return [float(chance) for chance in 1 / (1 + np.exp(-scores))]

    def write(self, folder: Path) -> None:
        """Write `ranker.json`, the features by name."""
        (folder / RANKER).write_text(json.dumps({"features": FEATURES, **asdict(self)}, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Ranker:
        """What `write` wrote. Raises ValueError when it weighs other features than these."""
        found = json.loads((folder / RANKER).read_text(encoding="utf-8"))
        if (named := tuple(found.pop("features"))) != FEATURES:
            raise ValueError(f"{folder / RANKER} weighs {', '.join(named)}; this version has {', '.join(FEATURES)}")
        return cls(**found)


def text_chances(model: Any, tokenizer: Any, known: Known, rows: Sequence[Any], progress: Any = None) -> list[float]:
    """Probability of a click as the encoder sees it, from history and candidate alone."""
    from models.predict import classify

    asked = [known.texts(row) for row in rows]
    return [found["1"] for found in classify(model, tokenizer, asked, progress)]


def load_recommender(folder: Path, progress: Any = None, load: Any = None) -> Any:
    """The model of a folder as a function from rows to probabilities of a click; `load` reads the text model."""
    from models.backbone import load_classifier

    model, tokenizer = (load or load_classifier)(folder)
    known, ranker = Known.read(folder), Ranker.read(folder)
    return lambda rows: ranker.chances(features(known, rows, text_chances(model, tokenizer, known, rows, progress)))
