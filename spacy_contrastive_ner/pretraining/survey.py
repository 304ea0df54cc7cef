"""What a corpus holds: whether it is the same as before, and whether it can be judged by another."""

import warnings
from collections import Counter
from hashlib import blake2b
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from spacy.tokens import Doc

from ..corpora.marks import get_mark
from .judge import NAME_THEM
from .terms import TaggingTerm, Term

COUNTED = ("documents", "words", "entities")

# So many labels are named at most, and so many with their corpora.
MOST_LISTED = 20
SHOWN = 5
# A label that is lone is told of if a corpus should have so many mentions of it by its length.
EXPECTED = 3


class Survey:
    """Counts what passes of a corpus.

    terms (Sequence[Term]): What reads annotation.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = list(terms)
        self.readings = list(dict.fromkeys(term.reading for term in terms))
        self.spaces: Set[str] = set()
        # Of each corpus.
        self.words: Counter = Counter()
        # Of each term the labels of each corpus of a label space, those that are not known throughout
        # in a corpus, "" for all, and the labels before they were merged.
        self.by_corpus: List[Dict[str, Dict[str, Counter]]] = [{} for _ in self.terms]
        self.missing: List[Dict[str, Set[str]]] = [{} for _ in self.terms]
        self.unmerged: List[Set[str]] = [set() for _ in self.terms]
        self._counts = dict.fromkeys(COUNTED, 0)
        self._sum = 0

    @property
    def labels(self) -> List[Dict[str, Counter]]:
        """RETURNS (List[Dict[str, Counter]]): The labels of each term, by label space. A space without
        any was annotated nevertheless."""
        return [
            {space: sum(corpora.values(), Counter()) for space, corpora in spaces.items()}
            for spaces in self.by_corpus
        ]

    def see(self, docs: Sequence[Doc]) -> "Survey":
        """Count some documents.

        docs (Sequence[Doc]): The annotated documents.
        RETURNS (Survey): Itself.
        """
        for doc in docs:
            space, corpus = get_mark(doc).space, get_mark(doc).corpus
            self.spaces.add(space)
            self.words[corpus] += len(doc)
            gold = {each: each(doc) for each in self.readings if each.annotates(doc)}
            for i, term in enumerate(self.terms):
                if term.reading in gold:
                    classes, raw = term.classes(gold[term.reading]), gold[term.reading]
                    counts = Counter(label for _, _, label in classes.spans)
                    unknown = self.missing[i].setdefault(corpus, set())
                    unknown.update(label for _, _, label in classes.missing)
                    corpora = self.by_corpus[i].setdefault(space, {})
                    corpora.setdefault(corpus, Counter()).update(counts)
                    self.unmerged[i].update(label for _, _, label in (*raw.spans, *raw.missing))
            entities = [sorted(each.spans) for each in gold.values()]
            missing = [sorted(each.missing) for each in gold.values()]
            self._counts["documents"] += 1
            self._counts["words"] += len(doc)
            self._counts["entities"] += sum(map(len, entities))
            content = repr((space, [token.text for token in doc], entities, missing))
            digest = blake2b(content.encode("utf8", "surrogatepass"), digest_size=8).digest()
            # A sum, as the order is no matter.
            self._sum = (self._sum + int.from_bytes(digest, "big")) % 2**64
        return self

    def words_of_epoch(self, weights: Mapping[str, float]) -> int:
        """How many words an epoch has about.

        weights (Mapping[str, float]): How often it visits the documents of each corpus; those that are
            not there once.
        RETURNS (int): The words.
        """
        return round(sum(n * weights.get(name, 1.0) for name, n in self.words.items()))

    def facts(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): How much there is, and what stands for its content."""
        return {**self._counts, "content": f"{self._sum:016x}"}


def require_same_documents(before: Dict[str, Any], now: Dict[str, Any]) -> None:
    """Stop if a run is to go on with other documents.

    before, now (Dict[str, Any]): The facts of surveys, by what the documents are. What is in one of
        them only is not known of the other.
    """
    for what in before:
        if what in now and before[what] != now[what]:
            had, have = _told(before[what]), _told(now[what])
            change = f"they had {had}, and have {have}"
            if had == have:
                change = f"they have {have} as before, but other words or annotation"
            raise ValueError(
                f"The {what} have changed since the run was interrupted: {change}. Put those of "
                "before in their place, or start anew in another folder."
            )


def _told(facts: Dict[str, Any]) -> str:
    return ", ".join(f"{facts[name]} {name}" for name in COUNTED)


def require_judgeable(names: Sequence[str], train: Survey, dev: Survey) -> None:
    """Stop if what there is to judge by says nothing about what will be learned.

    names (Sequence[str]): The names of the terms.
    train (Survey): The training corpus.
    dev (Survey): The documents to judge by.
    """
    n_docs = dev.facts()["documents"]
    tags = any(isinstance(term, TaggingTerm) for term in dev.terms)
    if tags and not dev.spaces & train.spaces:
        raise ValueError(
            f"The documents to judge by are of the label space {_listed(dev.spaces)}, but heads are "
            f"learned for {_listed(train.spaces)}. {NAME_THEM}"
        )
    for name, term, labels in zip(names, dev.terms, dev.labels):
        if not labels:
            raise ValueError(
                f"None of the {n_docs} documents to judge by has annotation in {term.reading}, "
                f"which is needed to judge {name}. Correct the block [corpora.dev], or name another "
                "by --dev."
            )
        if not any(labels.values()):
            raise ValueError(
                f"The {n_docs} documents to judge by are annotated, but hold no entity at all in "
                f"{term.reading}, so that nothing can be judged. Correct the block [corpora.dev], "
                "or name another by --dev."
            )
    for term, theirs, learned in zip(dev.terms, dev.labels, train.labels):
        known = any(set(labels) & set(learned.get(space, ())) for space, labels in theirs.items())
        if isinstance(term, TaggingTerm) and not known:
            raise ValueError(
                f"None of the labels of the {n_docs} documents to judge by "
                f"({_listed(_labels(theirs))}) is one that heads are learned for "
                f"({_listed(_labels(learned))}). {NAME_THEM}"
            )


def tell_of_unknown_labels(train: Survey, dev: Survey) -> None:
    """Warn of labels that occur in the documents to judge by only.

    train (Survey): The training corpus.
    dev (Survey): The documents to judge by.
    """
    unknown: Dict[str, int] = {}
    for theirs, learned in zip(dev.labels, train.labels):
        for space, labels in theirs.items():
            # Labels of a space of their own are compared with none, but may have the same names.
            known = set(learned[space]) if space in learned else _labels(learned)
            unknown.update({name: n for name, n in labels.items() if name not in known})
    if unknown:
        most = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))[:MOST_LISTED]
        each = ", ".join(f"{name} {n}" for name, n in most)
        if len(unknown) > len(most):
            each += f" and {len(unknown) - len(most)} more"
        warnings.warn(
            "[pretraining] The documents to judge by have entities with labels that the training "
            f"corpus has not, so that nothing is learned of them: {each}. If they are the same as "
            "some of its labels, name them alike.",
            stacklevel=3,
        )


def tell_of_lone_labels(train: Survey) -> None:
    """Warn of labels that only some corpora of a space have: it is one label to all, so that the text
    of the others counts as having none of it, and what they call otherwise as unlike it. Where a label
    is marked as unknown it does not. Of labels so rare that a corpus may well lack them by chance, and
    of corpora without any entity, which may be meant, nothing is said.

    train (Survey): The training corpus.
    """
    lone: Dict[Tuple[str, str], Dict[str, int]] = {}
    for spaces, missing in zip(train.by_corpus, train.missing):
        for space, corpora in spaces.items():
            for label in _labels(corpora):
                having = {name: labels[label] for name, labels in corpora.items() if labels[label]}
                rate = sum(having.values()) / sum(train.words[name] for name in having)
                if any(
                    labels
                    and name not in having
                    and not missing[name] & {label, ""}
                    and rate * train.words[name] >= EXPECTED
                    for name, labels in corpora.items()
                ):
                    lone[label, space] = having
    if lone:
        most = sorted(lone, key=lambda key: (-sum(lone[key].values()), key))[:SHOWN]
        each = [
            f"{label} ({', '.join(f'{n} in {name!r}' for name, n in sorted(lone[label, space].items()))}"
            f", of the space {space!r})"
            for label, space in most
        ]
        more = f" and {len(lone) - len(most)} more" if len(lone) > len(most) else ""
        warnings.warn(
            "[pretraining] Corpora share a label space, but some of its labels are not in each of "
            f"them, and count as not being there: {', '.join(each)}{more}. "
            "If they go by other names there, name them alike (`spacy contrastive convert --rename`, "
            "or merge in the objective); if nobody looked for them, give that corpus a space of its "
            "own.",
            stacklevel=3,
        )


def tell_of_unknown_merges(train: Survey, dev: Survey) -> None:
    """Warn of labels that are to be merged, but do not occur.

    train (Survey): The training corpus.
    dev (Survey): The documents to judge by.
    """
    for term, labels, theirs in zip(train.terms, train.unmerged, dev.unmerged):
        unknown = set(term.merge) - labels - theirs if isinstance(term.merge, dict) else set()
        if unknown:
            warnings.warn(
                f"[pretraining] merge in the objective names {_listed(unknown)}, but no entity has "
                f"such a label: the labels are {_listed(labels)}.",
                stacklevel=3,
            )


def _labels(by_space: Dict[str, Counter]) -> Set[str]:
    return {label for labels in by_space.values() for label in labels}


def _listed(names: Set[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(map(repr, sorted(names)[:MOST_LISTED])) + more
