"""The protocols of `contrastive evaluate` in which gold spans are given and only their labels are asked for."""

from enum import Enum
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from spacy.language import Language
from wasabi import Printer, table

from ..convert.summary import number, shorten
from ..evaluation.console import HEADER, percent, row_of
from ..evaluation.gold import Gold, digest_of
from ..evaluation.predictor import Pipe
from ..evaluation.typing import describe_typing, type_gold
from ..evaluation.typing_baselines import TypingTraining
from .model_scores import Corpus
from .progress import progress

TYPING_FORMAT, TYPING_VERSION = "spacy-contrastive-ner.typing", 1

BANNER = (
    "ORACLE BOUNDARIES: gold spans were given and only their labels were asked for. Nothing here is the F1 "
    "of an entity recogniser, and nothing can be compared with one."
)

BASELINES = {
    "majority": "the most frequent label",
    "lexicon": "the words' label in training",
    "context_free": "naive Bayes over the words",
}


class Protocol(str, Enum):
    """What is given, and what is asked for."""

    detection = "detection"
    honest_typing = "honest-typing"
    oracle_typing = "oracle-typing"


def check_protocol(protocol: Protocol, train: Optional[Path], others: Dict[str, Any]) -> None:
    """Stop if options have no use, or some are lacking.

    protocol (Protocol): The protocol.
    train (Optional[Path]): The training data.
    others (Dict[str, Any]): Options that only detection has a use for.
    """
    if protocol is Protocol.detection:
        return
    for name, value in others.items():
        if value:
            raise ValueError(f"{name} has no use with --protocol {protocol.value}: leave it out.")
    if protocol is Protocol.honest_typing and train is None:
        raise ValueError(
            "--protocol honest-typing compares with what the training data alone tells: give --train."
        )


def score_typing(
    nlp: Language,
    corpus: Corpus,
    target: Pipe,
    known: Optional[List[Gold]],
    use_tokens: bool,
    silent: bool,
) -> Dict[str, Any]:
    """Have the gold spans of a corpus typed, and score it.

    nlp (Language): The pipeline.
    corpus (Corpus): The gold.
    target (Pipe): The pipe that types.
    known (Optional[List[Gold]]): The training data, for honest typing.
    use_tokens (bool): Whether texts have the tokens of the gold.
    silent (bool): Whether there is no progress bar.
    RETURNS (Dict[str, Any]): The scores, as they are written as JSON.
    """
    golds = corpus.golds
    training = None if known is None else TypingTraining(known)
    with progress(silent, total=len(golds), unit=" documents") as bar:
        typed = type_gold(nlp, golds, target, use_tokens=use_tokens, on_doc=bar.update)
    about = {**corpus.about, "documents": len(golds), "digest": digest_of(golds)}
    return {"data": about, "banner": BANNER, **describe_typing(typed, training)}


def tell_typing(found: Dict[str, Any]) -> None:
    """Print what came out.

    found (Dict[str, Any]): The scores, as they are written as JSON.
    """
    msg, typing = Printer(), found["typing"]
    msg.divider(f"Protocol {found['protocol']}")
    msg.warn(found["banner"])
    rows = [_row("This model", typing)]
    rows += [_row(BASELINES[name], some) for name, some in found.get("baselines", {}).items()]
    header: Tuple[str, ...] = ("", "Accuracy", "Macro F1 of labels")
    if "seen" in typing:
        header = (*header, "Words seen", "Words unseen")
    print(table(rows, header=header, divider=True, aligns=("l", *"r" * (len(header) - 1))))
    if typing.get("interval"):
        low, high = typing["interval"]
        print(f"95 % of samples of documents: accuracy {100 * low:.2f} to {100 * high:.2f}")
    seen = typing.get("seen")
    if seen is not None:
        print(
            f"Mentions: {number(seen['mentions'])} with words that are a mention in training, "
            f"{number(typing['unseen']['mentions'])} with others"
        )
    print(
        f"SNG convention, 2p / (1 + p) of the accuracy, which is no F1: {percent(found['sng_convention'])}\n"
    )
    labels = [row_of(shorten(label), score) for label, score in typing["labels"].items()]
    print(table(labels, header=HEADER, divider=True, aligns=("l", *"r" * 5)))
    _tell_oddities(typing)


def _row(name: str, scores: Dict[str, Any]) -> List[str]:
    sides = [scores[side]["accuracy"] for side in ("seen", "unseen") if side in scores]
    return [name, *map(percent, (scores["accuracy"], scores["macro_f"], *sides))]


def _tell_oddities(typing: Dict[str, Any]) -> None:
    """Say what counts as wrong for other reasons than a wrong label."""
    msg = Printer()
    for key, what in (
        ("cut", "Gold that cuts a token of the model, and counts as wrong"),
        ("untyped", "Gold that the model could say nothing about, and counts as wrong"),
        ("several_labels", "Further labels of the same text, of which a model can give one"),
    ):
        if typing[key]:
            msg.warn(f"{what}: {number(typing[key])}")
