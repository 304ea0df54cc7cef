"""Labels that are shown a few times, to encoders that were trained on other corpora, or not at all.

    python benchmarks/episodes.py TARGET --encoders CORPUS [CORPUS ...] --shots 1 5 --episodes 100

The default tagger and the bi-encoder (CNN) are trained on each corpus, then run through the few-shot
episodes of the test set of TARGET that `contrastive evaluate --episodes` would draw. "untrained" is the
same with the weights that training begins with. "words": exact matches of the words that the support set
marks, without a model. Mean F1 over episodes, with 95 % intervals; all have the same episodes.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Dict, List, Sequence, Set, Tuple

import common
from spacy.language import Language

from spacy_contrastive_ner.evaluation.episodes import Episode, Request, draw_episodes
from spacy_contrastive_ner.evaluation.evaluate import spans_of
from spacy_contrastive_ner.evaluation.few_shot import FewShots, Outcome, summarise
from spacy_contrastive_ner.evaluation.gold import Gold, Source, gold_of
from spacy_contrastive_ner.evaluation.predictor import choose_pipe
from spacy_contrastive_ner.evaluation.scores import Score, Scores, tally

MODELS: Dict[str, Dict[str, Any]] = {
    "tagger": {
        "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
        "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
        "dropout": 0.4,
    },
    "binder": {"@architectures": "spacy-contrastive-ner.BiEncoder.v1", "dropout": 0.4},
}
UNTRAINED = Path("untrained")


def make(model: str, corpus: Path, args: Any, seed: int) -> Language:
    """A pipeline, trained on a corpus; or on nothing, with the labels of the first one."""
    nlp = common.pipeline(args.lang, seed)
    config = {"model": {**MODELS[model], "tok2vec": common.TOK2VEC}}
    nlp.add_pipe("contrastive_ner", config=config)
    folder = args.encoders[0] if corpus == UNTRAINED else corpus
    examples = common.read_examples(nlp, folder, "train")
    optimizer = nlp.initialize(lambda: examples)
    updates = 0 if corpus == UNTRAINED else args.updates
    for batch in common.plan(examples, args.words, updates, seed):
        nlp.update(batch, sgd=optimizer, drop=0.1)
    return nlp


def run_words(golds: Sequence[Gold], episode: Episode) -> Outcome:
    """Find what the support set marks by its words alone."""
    words: Set[Tuple[str, str]] = set()
    for i in episode.support:
        for start, end, label in spans_of(golds[i].annotation.entities):
            if label in episode.labels:
                words.add((golds[i].text[start:end], label))
    scores: Scores = {label: Score() for label in episode.labels}
    for i in episode.queries:
        gold = golds[i]
        right = {s for s in spans_of(gold.annotation.entities) if s[2] in scores}
        starts, ends = zip(*gold.tokens or [(0, 0)])
        found = {
            (start, end, label)
            for some, label in words
            for start in starts
            if gold.text.startswith(some, start) and (end := start + len(some)) in ends
        }
        tally(scores, right, found, lambda side: ((s[2], s) for s in side))
    return Outcome(episode, scores, 0, 0, 0)


def show(name: str, outcomes: List[Outcome], begun: float) -> None:
    found = summarise(outcomes)
    cells = [
        f"{100 * some['mean']:5.1f} ({100 * some['low']:.1f} to {100 * some['high']:.1f})"
        for some in (found["micro"], found["macro"])
    ]
    pooled = found["pooled"]["micro"]
    sides = "-".join(f"{100 * (pooled[side] or 0):.0f}" for side in ("precision", "recall"))
    print(
        f"{name:<26}{cells[0]:>24}{cells[1]:>24}{sides:>8}{time.time() - begun:>7.0f} s", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--encoders", nargs="+", required=True, type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--ways", type=int, default=5)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    nlp = common.pipeline(args.lang, 0)
    references = [eg.reference for eg in common.read_examples(nlp, args.target, "test")]
    golds = [gold_of(doc, Source()) for doc in references]
    counts, drawn = [], {}
    for gold in golds:
        labels = [label for _, _, label in spans_of(gold.annotation.entities)]
        counts.append({label: labels.count(label) for label in set(labels)})
    for shots in args.shots:
        request = Request(args.ways, shots, args.queries)
        drawn[shots] = draw_episodes(counts, args.episodes, request)
        show(f"{shots} words", [run_words(golds, episode) for episode in drawn[shots]], time.time())
    for seed in range(args.seeds):
        for model in args.models:
            for corpus in (UNTRAINED, *args.encoders):
                pipeline = make(model, corpus, args, seed)
                runner = FewShots(pipeline, choose_pipe(pipeline), golds, use_tokens=True)
                for shots, episodes in drawn.items():
                    begun = time.time()
                    outcomes = [runner.run(episode) for episode in episodes]
                    show(f"{shots} {model} {corpus.name} {seed}", outcomes, begun)


if __name__ == "__main__":
    main()
