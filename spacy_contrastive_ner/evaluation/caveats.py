"""What there is too little of to tell whether two systems differ."""

from typing import Any, Dict, Iterator, List

from .distributions import ALPHA, NEEDED_SIGNS, NEEDED_T

# Documents drawn anew vary too little if there are few of them: the variance of n values is short
# of a part in n, and extreme ones are seldom among them.
NEEDED_DOCUMENTS = 20


def notes_of(comparison: Dict[str, Any]) -> List[str]:
    """Say what there is too little of to tell anything.

    comparison (Dict[str, Any]): The comparison, as `compare` gives it.
    RETURNS (List[str]): A sentence for each.
    """
    return [*_on_documents(comparison), *_on_labels(comparison), *_on_runs(comparison["over_runs"])]


def _on_documents(comparison: Dict[str, Any]) -> Iterator[str]:
    micro, labels = comparison["micro"], comparison["labels"]
    if micro["documents"] < NEEDED_DOCUMENTS:
        yield (
            f"There {_are(micro['documents'], 'document')} with gold: of fewer than "
            f"{NEEDED_DOCUMENTS}, intervals are too narrow. Cut long documents into paragraphs, "
            "or annotate more."
        )
    else:
        few = {k: m["documents"] for k, m in labels.items() if m["documents"] < NEEDED_DOCUMENTS}
        if few:
            yield (
                f"These labels have gold in fewer than {NEEDED_DOCUMENTS} documents, so that their "
                f"intervals are too narrow: {_listed(few)}."
            )
    if not any(m["differing"] for m in (micro, *labels.values())) and micro["p"] is not None:
        yield "Both systems have the same counts in every document."
    elif not micro["can_tell"] and micro["p"] is not None:
        yield (
            f"The counts of the systems differ in {_count(micro['differing'], 'document')}: it "
            f"takes {NEEDED_SIGNS} before randomisation can give a p value under {ALPHA}."
        )
    else:
        same = {k: m["differing"] for k, m in labels.items() if not m["can_tell"] and m["p"]}
        if same:
            yield (
                f"For these labels the systems differ in fewer than {NEEDED_SIGNS} documents, so "
                f"that p cannot fall under {ALPHA}: {_listed(same)}."
            )


def _on_labels(comparison: Dict[str, Any]) -> Iterator[str]:
    n, tests = comparison["over_labels"]["n"], comparison["over_labels"]
    if not tests["wilcoxon"]["can_tell"]:
        yield (
            f"Over labels: the F-scores of {tests['wilcoxon']['n']} of {_count(n, 'label')} "
            f"differ; it takes {NEEDED_SIGNS} before Wilcoxon's p value can fall under {ALPHA}."
        )
    if n < NEEDED_T:
        yield f"Over labels: {_count(n, 'label')} cannot carry a t test; it takes {NEEDED_T}."


def _on_runs(runs: Dict[str, Any]) -> Iterator[str]:
    first, second = runs["baseline"], runs["system"]
    if first != second:
        yield (
            f"The baseline has {_count(first, 'run')}, the system {second}: randomisation and "
            "tests over runs need as many of each."
        )
    elif first == 1:
        yield (
            "There is one run of each system: how much of the difference is due to the seed "
            f"cannot be told. Train both with the same {NEEDED_SIGNS} seeds or more."
        )
    elif first < NEEDED_SIGNS:
        way = "" if first >= NEEDED_T else f", and the t test {NEEDED_T}"
        yield (
            f"Over runs: {first} of each are too few to tell: it takes {NEEDED_SIGNS} before the "
            f"p value of sign flips can fall under {ALPHA}{way}. Intervals come out too narrow."
        )
    elif not runs["micro"]["sign_flip"]["can_tell"]:
        yield (
            f"Over runs: micro F differs in {runs['micro']['sign_flip']['n']} of {first} pairs; it "
            f"takes {NEEDED_SIGNS} before the p value of sign flips can fall under {ALPHA}."
        )


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _are(n: int, word: str) -> str:
    return f"{'is' if n == 1 else 'are'} only {_count(n, word)}"


def _listed(counts: Dict[str, int], limit: int = 10) -> str:
    shown = [f"{label} ({n})" for label, n in list(counts.items())[:limit]]
    return ", ".join(shown) + (", ..." if len(counts) > limit else "")
