"""Trivial answers that a fine-tuned model must beat: what can be had without it, on the same examples."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from models.metrics import WORD
from models.tasks import label_sets
from models.tasks.labels import answer_of
from models.tasks.task import Row, Task
from models.threshold import best_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], "NDArray[Any]"]


def overlap(train: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
    """Answer pairs by logistic regression on shared words, TF-IDF similarity and lengths."""
    texts = [row[column] for row in train for column in ("text_a", "text_b")]
    words, letters = vectorizer(texts), letter_vectorizer(texts)
    return _fit_and_answer(train, test, lambda rows: _overlap_features(words, letters, rows))


def tfidf(train: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
    """Label texts by logistic regression on the TF-IDF of their words, pairs of words, and runs of letters."""
    from scipy.sparse import hstack

    texts = [row["text"] for row in train]
    views = vectorizer(texts), letter_vectorizer(texts)

    def features(rows: Sequence[Row]) -> Any:
        return hstack([view.transform([row["text"] for row in rows]) for view in views])

    return _fit_and_answer(train, test, features, scale=False)  # TF-IDF is in proportion as it is


def tfidf_each(train: Sequence[Row], held: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
    """Label texts with label sets: for each label a regression as in `tfidf`, one threshold chosen on `held`."""
    from scipy.sparse import hstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    texts = [row["text"] for row in train]
    views, names = (vectorizer(texts), letter_vectorizer(texts)), MultiLabelBinarizer()
    wanted = names.fit_transform([row["labels"] for row in train])

    def features(rows: Sequence[Row]) -> Any:
        return hstack([view.transform([row["text"] for row in rows]) for view in views]).tocsr()

    fitted = OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000)).fit(features(train), wanted)
    labels = names.classes_.tolist()
    of_held, of_test = (
        [dict(zip(labels, found, strict=True)) for found in fitted.predict_proba(features(rows)).tolist()]
        for rows in (held, test)
    )
    return label_sets.judged(test, of_test, best_threshold(held, of_held))


def cosine(train: Sequence[Row], test: Sequence[Row], embed: Embed) -> list[dict[str, Any]]:
    """Answer pairs by the cosine of their embeddings, with a threshold fitted on `train`.

    `embed` maps n texts to an array of shape (n, width), such as the mean-pooled states of a frozen encoder.
    """

    def similarity(rows: Sequence[Row]) -> NDArray[Any]:
        return _cosines(*(embed([row[column] for row in rows]) for column in ("text_a", "text_b")))[:, None]

    return _fit_and_answer(train, test, similarity)


def nearest(task: Task, train: Sequence[Row], test: Sequence[Row]) -> list[str]:
    """Answer with what answered the training text nearest in TF-IDF."""
    words = vectorizer([task.read(row)[0] for row in train])
    known, asked = (words.transform([task.read(row)[0] for row in rows]) for rows in (train, test))
    return [train[int((known @ text.T).toarray().argmax())][task.target] for text in asked]


def copy(task: Task, _: Sequence[Row], test: Sequence[Row]) -> list[str]:
    """Answer with the text as it came."""
    return [task.read(row)[0] for row in test]


def lead(sentences: int) -> Writer:
    """Answer with the first sentences of the text."""

    def answers(task: Task, _: Sequence[Row], test: Sequence[Row]) -> list[str]:
        return ["".join(SENTENCE.findall(task.read(row)[0])[:sentences]).strip() for row in test]

    return answers


# A sentence ends with its stop, Latin or Chinese, and what closes after it, or with the line.
CLOSING = "\"')\u201d\u2019\u300d\u300f\uff09"
SENTENCE = re.compile(rf".+?(?:[.!?](?=[{CLOSING}]*(?:\s|$))|[\u3002\uff01\uff1f]|\n|$)[{CLOSING}]*\s*", re.DOTALL)
Writer = Callable[["Task", Sequence[Row], Sequence[Row]], list[str]]
WRITERS: dict[str, Writer] = {"nearest": nearest, "copy": copy, "lead_1": lead(1), "lead_3": lead(3)}


def vectorizer(texts: Sequence[str]) -> Any:
    """TF-IDF over words and pairs of words, fitted on `texts`; vectors have length 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), sublinear_tf=True, max_features=100_000).fit(texts)


def letter_vectorizer(texts: Sequence[str]) -> Any:
    """TF-IDF over runs of three to five letters, which see that "deletes" and "deleted" are one word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=100_000).fit(texts)


def _overlap_features(words: Any, letters: Any, rows: Sequence[Row]) -> NDArray[Any]:
    """Seven columns: two TF-IDF cosines, shares of shared words and of word pairs, both lengths in log words."""
    import numpy as np

    one, other = ([row[column] for row in rows] for column in ("text_a", "text_b"))
    cosines = [v.transform(one).multiply(v.transform(other)).sum(1) for v in (words, letters)]
    tokens = words.build_analyzer()
    counted = [_counted(tokens(a), tokens(b)) for a, b in zip(one, other, strict=True)]
    return np.column_stack([np.asarray(c).ravel() for c in cosines] + [np.array(counted)])


def _counted(one: list[str], other: list[str]) -> list[float]:
    a, b = ({gram for gram in grams if " " not in gram} for grams in (one, other))
    two_a, two_b = ({gram for gram in grams if " " in gram} for grams in (one, other))
    return [
        len(a & b) / max(1, len(b)),
        len(a & b) / max(1, len(a | b)),
        len(two_a & two_b) / max(1, len(two_b)),
        math.log1p(len(one)),
        math.log1p(len(other)),
    ]


def _fit_and_answer(
    train: Sequence[Row], test: Sequence[Row], features: Callable[[Sequence[Row]], Any], *, scale: bool = True
) -> list[dict[str, Any]]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=10, max_iter=1000)
    fitted = make_pipeline(StandardScaler(), regression) if scale else regression
    fitted.fit(features(train), [row["label"] for row in train])
    labels, probabilities = fitted.classes_.tolist(), fitted.predict_proba(features(test)).tolist()
    answers = [answer_of(dict(zip(labels, row, strict=True))) for row in probabilities]
    return [
        {"id": row["id"], "label": row["label"], **answer, "probability": round(answer["probability"], 6)}
        for row, answer in zip(test, answers, strict=True)
    ]


def _cosines(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(1) / np.maximum(norms, 1e-12))
