"""WordPiece as BERT's uncased models were trained with: words, then their longest known pieces."""

import unicodedata
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

_TOKENS_MAX = 256
_LETTERS_MAX = 100  # of a word; a longer one is unknown


def words_of(text):
    """Return words in lower case without accents; each mark of punctuation is a word."""
    words, word = [], ""
    for letter in unicodedata.normalize("NFD", text.lower()):
        kind = unicodedata.category(letter)
        if kind == "Mn" or letter in "\0\ufffd":
            continue
        stands_alone = kind[0] in "PS" and (kind[0] == "P" or letter.isascii())
        stands_alone = stands_alone or "\u4e00" <= letter <= "\u9fff"
        if letter.isspace() or stands_alone:
            words.append(word)
            word = ""
        if stands_alone:
            words.append(letter)
        elif not letter.isspace() and kind not in ("Cc", "Cf"):
            word += letter
    return [word for word in (*words, word) if word]


class Tokenizer:
    """Pieces of words by number."""

    def __init__(self, vocabulary):
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._unknown = self._numbers["[UNK]"]

    def numbers(self, text):
        """Return the numbers of a text between those that begin and end it."""
        inside = [number for word in words_of(text) for number in self._pieces(word)]
        begin, end = self._numbers["[CLS]"], self._numbers["[SEP]"]
        return [begin, *inside[: _TOKENS_MAX - 2], end]

    def _pieces(self, word):
        found, start = [], 0
        while start < len(word) <= _LETTERS_MAX:
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self._numbers), None)
            if end is None:
                return [self._unknown]
            found.append(self._numbers[prefix + word[start:end]])
            start = end
        return found or [self._unknown]


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args):
        """Read the vocabulary beside this file."""
        del args
        text = Path(__file__).with_name("vocab.txt").read_text(encoding="utf-8")
        self._tokenizer = Tokenizer(text.removesuffix("\n").split("\n"))

    def execute(self, requests):
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()[:, 0]
        numbers = [self._tokenizer.numbers(text.decode("utf-8", "replace")) for text in texts]
        ids = np.zeros((len(numbers), max(map(len, numbers))), np.int64)
        mask = np.zeros_like(ids)
        for row, of_text in enumerate(numbers):
            ids[row, : len(of_text)] = of_text
            mask[row, : len(of_text)] = 1
        tensors = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, values) for name, values in tensors.items()]
        )
