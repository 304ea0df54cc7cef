"""Word vectors of the texts at hand, trained with floret (an extra), for `spacy init vectors`."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc

# "floret": words are made of hashed pieces, so that every word has a vector, and the table is small.
# "default": a row a word; others have none.
FLORET, DEFAULT = MODES = ("floret", "default")
MODELS = ("cbow", "skipgram")

# floret takes words that begin like this for labels.
LABEL = "__label__"

# Words that make up a larger share than this are passed over now and then.
SAMPLE = 1e-3


class Training(NamedTuple):
    """How vectors are trained.

    mode (str): One of `MODES`.
    width (int): The width of the vectors.
    model (str): "cbow": the neighbours of a word tell it. "skipgram": it tells them.
    epochs (int): How often the texts are read. Few words need many.
    rate (float): The learning rate it starts from.
    window (int): How many neighbours on either side.
    min_count (int): Rarer words are passed over.
    buckets (int): Rows of the table of "floret".
    hashes (int): In how many of these rows a piece of a word is, 1 to 4.
    shortest, longest (int): The number of characters of the pieces; 0 for whole words only.
    """

    mode: str = FLORET
    width: int = 100
    model: str = MODELS[0]
    epochs: int = 50
    rate: float = 0.1
    window: int = 5
    min_count: int = 2
    buckets: int = 20000
    hashes: int = 2
    shortest: int = 3
    longest: int = 5


class Counts(NamedTuple):
    """What was read: how many documents and words, and how many words in how many rows were trained."""

    documents: int
    words: int
    known: int


def check_training(training: Training) -> None:
    """Stop if a setting cannot be meant, or floret is not there."""
    for name, value, choices in (("mode", training.mode, MODES), ("model", training.model, MODELS)):
        if value not in choices:
            raise ValueError(f"--{name} is {value!r}, but must be {' or '.join(choices)}.")
    if not 1 <= training.hashes <= 4:
        raise ValueError(f"--hashes is {training.hashes}, but must lie between 1 and 4.")
    if training.shortest > training.longest:
        raise ValueError(
            f"--shortest {training.shortest} is more than --longest {training.longest}."
        )
    if find_spec("floret") is None:
        raise ValueError(
            "Training word vectors needs floret, not installed here. Install the extra: "
            "pip install 'spacy-contrastive-ner[vectors]'."
        )


def train_vectors(
    texts: Iterable[Union[str, Doc]], nlp: Language, training: Training
) -> Tuple[bytes, Counts]:
    """Train word vectors.

    texts (Iterable[Union[str, Doc]]): Texts, and documents that have their tokens already. What is
        annotated in them is not looked at.
    nlp (Language): Has the tokenizer.
    training (Training): How.
    RETURNS (Tuple[bytes, Counts]): The file for `spacy init vectors`, and what was read.
    """
    check_training(training)
    import floret

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.txt"
        documents, words = _write_words(texts, nlp, path)
        if not words:
            raise ValueError("The texts hold no words. Check how they were made.")
        try:
            model = floret.train_unsupervised(str(path), **_settings(training))
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"floret cannot train vectors on {words:,} words: {str(error).rstrip('.')}. With few "
                "texts lower --min-count."
            ) from error
        vectors = Path(folder) / "vectors"
        if training.mode == FLORET:
            model.save_floret_vectors(str(vectors))
        else:
            model.save_vectors(str(vectors))
        return vectors.read_bytes(), Counts(documents, words, len(model.words))


def _write_words(texts: Iterable[Union[str, Doc]], nlp: Language, path: Path) -> Tuple[int, int]:
    """Write a document a line. RETURNS (Tuple[int, int]): How many there are, and how many words."""
    documents = words = 0
    with path.open("w", encoding="utf8") as file:
        for text in texts:
            doc = nlp.make_doc(text) if isinstance(text, str) else text
            line: List[str] = []
            for token in doc:
                # A token with a blank in it is two words; white space is none.
                line += [part for part in token.text.split() if not part.startswith(LABEL)]
            documents, words = documents + 1, words + len(line)
            file.write(" ".join(line) + "\n")
    return documents, words


def _settings(training: Training) -> Dict[str, Union[str, int, float]]:
    """The settings, as floret calls them. Its chance is always the same, with one thread: several make it
    depend on the machine."""
    is_floret = training.mode == FLORET
    return {
        "model": training.model,
        "dim": training.width,
        "epoch": training.epochs,
        "lr": training.rate,
        "t": SAMPLE,
        "ws": training.window,
        "minCount": training.min_count,
        "minn": training.shortest,
        "maxn": training.longest,
        "bucket": training.buckets if is_floret else 200_000,
        "hashCount": training.hashes if is_floret else 1,
        "mode": "floret" if is_floret else "fasttext",
        "thread": 1,
        "verbose": 0,
    }
