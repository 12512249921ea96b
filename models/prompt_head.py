"""A classifier that asks a language model: the likelier the word of a label, the likelier the label.

What is saved is the language model itself, with the words' tokens in its config: it has no weights of its own, so it
answers before it has learned anything, and learns from few examples (PET, Schick and Schuetze 2021).
"""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from transformers.modeling_outputs import SequenceClassifierOutput  # noqa: TID253

from models.verbaliser import VERBALISER


def prompted(kind: Any, config: Any, objective: str) -> Any:
    """The class of a language model, given as a transformers Auto class, that gives labels instead of tokens."""
    plain = kind._model_mapping[type(config)]  # noqa: SLF001
    return type(plain.__name__, (_ANSWERS[objective], plain), {"__module__": plain.__module__})


def label_scores(chances: torch.Tensor, words: list[list[int]], columns: list[int]) -> torch.Tensor:
    """Logits of shape (texts, labels): the mean log-probability of the tokens of each label's word.

    `chances` are logits of shape (texts, places, vocabulary), `columns` the place that guesses each token of each word,
    one word after the other. A mean, so that a word of many tokens is not the less likely for it.
    """
    tokens = [token for word in words for token in word]
    share = torch.zeros(len(tokens), len(words), device=chances.device)
    ends = torch.tensor([len(word) for word in words]).cumsum(0).tolist()
    for label, (end, word) in enumerate(zip(ends, words, strict=True)):
        share[end - len(word) : end, label] = 1 / len(word)
    return chances.float().log_softmax(-1)[:, columns, tokens] @ share


class MaskedAnswer:
    """Every token of a word is guessed at its own mask, all at once.

    There are as many masks as the longest word has tokens, and a shorter one takes the first of them: the training
    estimate of Schick and Schuetze 2021, "It's Not Just Size That Matters".
    """

    config: Any

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits of shape (texts, labels) in fp32; `token_type_ids` mark the masks with ones."""
        from models.backbone import masked_states_and_head

        words = getattr(self.config, VERBALISER)["words"]
        forward = super().forward  # type: ignore[misc]
        states, head = masked_states_and_head(self, input_ids, attention_mask, forward)
        first = token_type_ids.argmax(1, keepdim=True)
        places = first + torch.arange(max(map(len, words)), device=first.device)
        asked = states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))
        columns = [place for word in words for place in range(len(word))]
        return SequenceClassifierOutput(logits=label_scores(head(asked), words, columns))


class CausalAnswer:
    """Every word is read after the prompt, in one pass, each as if it stood there alone."""

    config: Any

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SequenceClassifierOutput:
        """Logits of shape (texts, labels) in fp32, from prompts padded on the right.

        The last token of each prompt is moved to the end of its row: all that is guessed lies in the same columns then.
        """
        words = getattr(self.config, VERBALISER)["words"]
        known = [token for word in words for token in word[:-1]]
        last = attention_mask.sum(1, keepdim=True) - 1
        tokens = torch.cat([input_ids, input_ids.gather(1, last), last.new_tensor(known).expand(len(last), -1)], 1)
        steps = last.new_tensor([place for word in words for place in range(len(word) - 1)])
        prompt = torch.arange(input_ids.shape[1], device=last.device)
        inputs = {
            "attention_mask": _seen(prompt < last, [len(word) - 1 for word in words]),
            "position_ids": torch.cat([prompt.expand_as(input_ids), last, last + 1 + steps], 1),
        }
        asked = super().forward(tokens, **inputs, use_cache=False, logits_to_keep=1 + len(known))  # type: ignore[misc]
        return SequenceClassifierOutput(logits=label_scores(asked.logits, words, _columns(words)))


_ANSWERS = {"masked": MaskedAnswer, "causal": CausalAnswer}


def _columns(words: list[list[int]]) -> list[int]:
    """Where each token of each word is guessed: its first by the prompt's last token, the others by the one before."""
    found, read = [], 0
    for word in words:
        found += [0, *range(read + 1, read + len(word))]
        read += len(word) - 1
    return found


def _seen(prompt: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """What each token may look at, shape (texts, 1, tokens, tokens), to be added to the attention's scores.

    `prompt` says which columns of each row are the prompt's, without its last token, which follows them; then come
    `lengths` tokens of each word, which see the prompt and what is before them in their own word.
    """
    width = prompt.shape[1]
    total = width + 1 + sum(lengths)
    seen = torch.ones(total, total, dtype=torch.bool, device=prompt.device).tril()
    start = width + 1
    for length in lengths:
        seen[start : start + length, width + 1 : start] = False
        start += length
    real = torch.nn.functional.pad(prompt, (0, total - width), value=True)
    # Padding sees itself: a row of the softmax without anything in it would be no number.
    visible = (seen & real[:, None, :]) | torch.eye(total, dtype=torch.bool, device=prompt.device)
    nothing = torch.zeros(visible.shape, device=prompt.device)
    return nothing.masked_fill(~visible, torch.finfo(torch.float32).min)[:, None]
