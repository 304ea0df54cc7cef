"""Few-shot episodes in `contrastive evaluate`: labels that a pipe is shown a few times."""

from typing import Any, Dict, List, NamedTuple, Optional

from spacy.language import Language
from wasabi import Printer, table

from ..convert.summary import number, shorten
from ..evaluation.console import percent
from ..evaluation.episodes import Request, draw_episodes
from ..evaluation.few_shot import FewShots, describe_outcome, summarise
from ..evaluation.gold import digest_of
from ..evaluation.predictor import Pipe
from .model_scores import Corpus
from .progress import progress

# What other programs can rely on; see docs/evaluation.md.
EPISODES_FORMAT, EPISODES_VERSION = "spacy-contrastive-ner.episodes", 1

WAYS, SHOTS, QUERIES, SEED = 5, 5, 5, 0

HEADER = ("", "Mean", "95 % interval", "Least", "Largest", "Episodes")


class Plan(NamedTuple):
    """What episodes are asked for.

    n (int): How many.
    request (Request): What each should be like.
    seed (int): All chance depends on it.
    with_heads (bool): Whether trained heads have a say beside the memory.
    """

    n: int
    request: Request
    seed: int
    with_heads: bool


def plan_episodes(
    n: Optional[int],
    ways: Optional[int],
    shots: Optional[int],
    queries: Optional[int],
    seed: Optional[int],
    with_heads: bool,
    others: Dict[str, Any],
) -> Optional[Plan]:
    """Find out what is asked for, and stop if options do not go together.

    n (Optional[int]): How many episodes, None if there are to be none.
    ways, shots, queries, seed (Optional[int]): What they should be like, where it is given.
    with_heads (bool): Whether trained heads have a say.
    others (Dict[str, Any]): Options that episodes have no use for.
    RETURNS (Optional[Plan]): The plan, None if there are to be no episodes.
    """
    if n is None:
        own = {"--ways": ways, "--shots": shots, "--queries": queries, "--seed": seed}
        given = [name for name, value in own.items() if value is not None]
        given += ["--with-heads"] * with_heads
        if given:
            raise ValueError(f"{given[0]} is about few-shot episodes: add --episodes N.")
        return None
    for name, value in others.items():
        if value:
            raise ValueError(f"{name} has no use with --episodes: leave it out.")
    # None of them can be 0, but the seed.
    request = Request(ways or WAYS, shots or SHOTS, queries or QUERIES)
    return Plan(n, request, seed or SEED, with_heads)


def score_episodes(
    nlp: Language, corpus: Corpus, target: Pipe, plan: Plan, use_tokens: bool, silent: bool
) -> Dict[str, Any]:
    """Draw episodes from a corpus, run and score them.

    nlp (Language): The pipeline.
    corpus (Corpus): The gold.
    target (Pipe): The pipe.
    plan (Plan): What is asked for.
    use_tokens (bool): Whether texts have the tokens of the gold.
    silent (bool): Whether there is no progress bar.
    RETURNS (Dict[str, Any]): The scores, as they are written as JSON.
    """
    golds = corpus.golds
    runner = FewShots(nlp, target, golds, with_heads=plan.with_heads, use_tokens=use_tokens)
    with progress(silent, total=len(golds), unit=" documents") as bar:
        counts, unfit = runner.count(bar.update)
    episodes = draw_episodes(counts, plan.n, plan.request, plan.seed)
    bar = progress(silent, iterable=episodes, unit=" episodes")
    outcomes = [runner.run(episode) for episode in bar]
    drawn = {label for episode in episodes for label in episode.labels}
    each = [describe_outcome(outcome, counts) for outcome in outcomes]
    return {
        "data": {
            **corpus.about,
            "documents": len(golds),
            "digest": digest_of(golds),
            "unfit": unfit,
        },
        "request": {
            "episodes": plan.n,
            **plan.request._asdict(),
            "seed": plan.seed,
            "way": runner.way,
            "decoder": runner.decoder,
        },
        "trained_labels": sorted(drawn & set(runner.trained_labels())),
        **summarise(outcomes),
        "support": _sizes(each, "support"),
        "queries": _sizes(each, "queries"),
        "each": each,
    }


def _sizes(each: List[Dict[str, Any]], side: str) -> Dict[str, float]:
    """How many documents there are in an episode, and how many mentions of a label."""
    documents = [len(some[side]["documents"]) for some in each]
    mentions = [n for some in each for n in some[side]["mentions"].values()]
    return {
        "documents": sum(documents) / len(documents),
        "mentions": sum(mentions) / len(mentions),
        "most": max(mentions),
    }


def tell_episodes(found: Dict[str, Any]) -> None:
    """Print what came out.

    found (Dict[str, Any]): The scores, as they are written as JSON.
    """
    msg, asked = Printer(), found["request"]
    msg.divider(
        f"{number(asked['episodes'])} episodes: {asked['ways']} labels, {asked['shots']} shots"
    )
    how = "labels get vectors" if asked["way"] == "vectors" else f"decoder {asked['decoder']}"
    print(f"{shorten(found['model']['pipe'])}: {how}; seed {asked['seed']}\n")
    rows = [_row(name, found[key]) for name, key in (("Micro F", "micro"), ("Macro F", "macro"))]
    rows += [_row(shorten(label), score) for label, score in found["labels"].items()]
    print(table(rows, header=HEADER, divider=True, aligns=("l", *"r" * 5)))
    pooled = found["pooled"]
    print(
        f"All episodes as one: micro F {percent(pooled['micro']['f'])}, macro F "
        f"{percent(pooled['macro']['f'])}"
    )
    for name, side in (("Support set", "support"), ("Query set", "queries")):
        some = found[side]
        print(
            f"{name}: {some['documents']:.1f} documents, {some['mentions']:.1f} mentions of a label "
            f"(at most {some['most']})"
        )
    print()
    _tell_oddities(found)


def _tell_oddities(found: Dict[str, Any]) -> None:
    msg = Printer()
    if found["trained_labels"]:
        names = ", ".join(map(shorten, found["trained_labels"]))
        msg.warn(f"Labels that training may have taught the pipe, which are not new to it: {names}")
    for key, what in (
        ("lost", "Mentions in support sets that the pipe has no layer for"),
        ("left_out", "Tokens of support sets that the memory has no room for"),
    ):
        if found[key]:
            msg.warn(f"{what}: {number(found[key])}")
    if found["data"]["unfit"]:
        msg.info(
            "Mentions that cut a token of the model or are too wide for it, and are never shown to it: "
            f"{number(found['data']['unfit'])}"
        )
    if found["unjudged"]:
        msg.info(
            f"Predictions where annotation is unknown, not scored: {number(found['unjudged'])}"
        )


def _row(name: str, some: Dict[str, Any]) -> List[str]:
    interval = "-" if some["low"] is None else f"{percent(some['low'])} to {percent(some['high'])}"
    mean, least, most = (percent(some[key]) for key in ("mean", "min", "max"))
    return [name, mean, interval, least, most, number(some["episodes"])]
