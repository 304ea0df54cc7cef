"""Typing given spans beside finding them: the span typer, the default tagger, and what words alone tell.

    python benchmarks/span_typing.py CORPUS [CORPUS ...] --seeds 1 --epochs 6

Every system is trained from scratch for the same number of updates on the same batches; the best of four
checkpoints by dev F1 is scored on test. Word vectors are trained on the texts of the training set only.
"detection" is micro F1 over all spans; "typing" is the accuracy for gold spans, which is no F1: over all,
over those whose words are a mention in training, and over the others.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import accuracy
import common
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import convert_vectors

from spacy_contrastive_ner.evaluation.gold import Source, gold_of
from spacy_contrastive_ner.evaluation.predictor import choose_pipe
from spacy_contrastive_ner.evaluation.typing import describe_typing, find_candidates, type_gold
from spacy_contrastive_ner.evaluation.typing_baselines import TypingTraining
from spacy_contrastive_ner.pretraining.word_vectors import Training, train_vectors

WORDS = {"@architectures": "spacy-contrastive-ner.WordVectors.v1"}
NGRAMS = {"@misc": "spacy.ngram_range_suggester.v1", "min_size": 1, "max_size": 6}
FINDER = {
    "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
    "tok2vec": common.TOK2VEC,
    "dropout": 0.4,
    "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
}


def typer(tok2vec: Dict[str, Any], propose: Dict[str, Any], **model: Any) -> Dict[str, Any]:
    return {
        "@architectures": "spacy-contrastive-ner.SpanTyper.v1",
        "tok2vec": tok2vec,
        "propose": propose,
        **model,
    }


SYSTEMS: Dict[str, Dict[str, Any]] = {
    "default": {"model": {"tok2vec": common.TOK2VEC}},
    "sng": {"model": typer(WORDS, FINDER, dropout=0.2), "max_layers": 3},
    "sng-ngrams": {"model": typer(WORDS, NGRAMS, dropout=0.2)},
    "sng-context": {
        "model": typer(common.TOK2VEC, FINDER, dropout=0.4, width=100),
        "max_layers": 3,
    },
}


def add_vectors(nlp: Language, examples: List[Example]) -> None:
    """Train word vectors on the texts of the training set."""
    data, _ = train_vectors([example.predicted for example in examples], nlp, Training())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.floret"
        path.write_bytes(data)
        convert_vectors(nlp, path, truncate=0, prune=-1, mode="floret")


def run(system: str, folder: Path, lang: str, seed: int, epochs: int, words: int) -> Dict[str, Any]:
    nlp = common.pipeline(lang, seed)
    parts = common.read_parts(nlp, folder)
    begin = time.process_time()
    if system.startswith("sng") and system != "sng-context":
        add_vectors(nlp, parts["train"])
    nlp.add_pipe("contrastive_ner", config=SYSTEMS[system])
    optimizer = nlp.initialize(lambda: parts["train"])
    rng = random.Random(seed)
    plan = [b for _ in range(epochs) for b in common.batches(parts["train"], words, rng)]
    common.keep_best(nlp, optimizer, plan, lambda: accuracy.evaluate(nlp, parts["dev"])["all"], 4)
    seconds = time.process_time() - begin
    golds = {p: [gold_of(e.reference, Source()) for e in parts[p]] for p in ("train", "test")}
    target, training = choose_pipe(nlp), TypingTraining(golds["train"])
    typed = describe_typing(type_gold(nlp, golds["test"], target, use_tokens=True), training)
    looked = find_candidates(nlp, golds["test"], target, use_tokens=True)
    return {
        **accuracy.evaluate(nlp, parts["test"]),
        "typing": typed["typing"],
        "baselines": typed["baselines"],
        "recall": None if looked is None else looked.as_dict()["recall"],
        "updates": len(plan),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--lang", default="en")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--words", type=int, default=500)
    args = parser.parse_args()
    header = ("corpus", "system", "detection", "macro", "candidates", "typing", "seen", "unseen")
    print("".join(f"{name:<13}" for name in header), "updates  CPU s")
    for folder in args.corpora:
        for system in args.systems:
            runs = [
                run(system, folder, args.lang, seed, args.epochs, args.words)
                for seed in range(args.seeds)
            ]
            rows = [[r["all"], r["macro"], r["recall"], *_typing(r["typing"])] for r in runs]
            _tell(folder.name, system, rows, f"{runs[0]['updates']:>7} {runs[0]['seconds']:>6.0f}")
        for name, some in runs[0]["baselines"].items():
            _tell(folder.name, name, [[None, None, None, *_typing(some)]], "")


def _typing(scores: Dict[str, Any]) -> List[float]:
    return [some["accuracy"] for some in (scores, scores["seen"], scores["unseen"])]


def _tell(corpus: str, system: str, rows: List[List[Any]], more: str) -> None:
    cells = []
    for values in zip(*rows):
        mean, sd = common.spread([100 * v for v in values if v is not None] or [0.0])
        text = f"{mean:.1f}" + (f" ± {sd:.1f}" if len(rows) > 1 else "")
        cells.append("-" if values[0] is None else text)
    print("".join(f"{cell:<13}" for cell in (corpus, system, *cells)), more, flush=True)


if __name__ == "__main__":
    main()
