"""Mentions replaced by others, against a naive version by characters of the text."""

import pickle
import random
import warnings
from collections import Counter

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_contrastive_ner.corpora import Mark, get_mark, set_mark
from spacy_contrastive_ner.corpora.augment import MentionReplacement, Replacement, replace
from spacy_contrastive_ner.corpora.donors import find_donors, find_outermost
from spacy_contrastive_ner.corpora.reader import Corpus

from .random_docs import plain_doc, random_doc, save, triples

NLP = spacy.blank("en")
VOCAB = NLP.vocab


def example_of(doc):
    return Example(NLP.make_doc(doc.text), doc)


def make(text, *spans, **kwargs):
    return plain_doc(VOCAB, text, spans, **kwargs)


TRAINING = [
    make(
        "the Ministry of Health of France met",
        (1, 6, "ORG"),
        (3, 4, "TOPIC"),
        (5, 6, "GPE"),
    ),
    make("Siemens left Paris", (0, 1, "ORG"), (2, 3, "GPE")),
]


def make_augmenter(tmp_path, docs=None, **kwargs):
    path = save(tmp_path / "donors.spacy", TRAINING if docs is None else docs)
    return MentionReplacement(path, **{"level": 1.0, "mention_level": 1.0, **kwargs})


def vary(augmenter, doc):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(augmenter(NLP, example_of(doc)))


def described(doc, key="sc"):
    return sorted((span.text, span.label_) for span in doc.spans[key])


def test_a_mention_is_replaced_with_what_is_in_it(tmp_path):
    doc = make("now Siemens of Berlin is here", (1, 4, "ORG"), (3, 4, "GPE"), (5, 6, "PLACE"))
    results = Counter()
    augmenter = make_augmenter(tmp_path)
    for _ in range(30):
        (variant,) = vary(augmenter, doc)
        reference = variant.reference
        assert [t.text for t in variant.predicted] == [t.text for t in reference]
        assert variant.predicted.text == reference.text and not variant.predicted.spans
        results[(reference.text, tuple(described(reference)))] += 1
    assert set(results) == {
        (
            "now Ministry of Health of France is here",
            (
                ("France", "GPE"),
                ("Health", "TOPIC"),
                ("Ministry of Health of France", "ORG"),
                ("here", "PLACE"),
            ),
        ),
        ("now Siemens is here", (("Siemens", "ORG"), ("here", "PLACE"))),
    }
    assert min(results.values()) > 5
    assert described(doc) == [("Berlin", "GPE"), ("Siemens of Berlin", "ORG"), ("here", "PLACE")]


def naive(doc, replacements):
    """The text with stretches replaced, word by word; where each old border is now."""
    words, borders, i = [], {}, 0
    by_start = {r.start: r for r in replacements}
    while i < len(doc):
        borders[i] = len(words)
        if i in by_start:
            words.extend(by_start[i].donor.words)
            i = by_start[i].end
        else:
            words.append(doc[i].text)
            i += 1
    borders[len(doc)] = len(words)
    return words, borders


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_random_documents(seed, sentences):
    rng = random.Random(seed)
    docs = [random_doc(VOCAB, rng, rng.randint(2, 25), sentences) for _ in range(4)]
    host, donors = docs[0], find_donors(docs[1:], "sc", None)
    replacements = [
        Replacement(s.start, s.end, rng.choice(donors[s.labels]))
        for s in find_outermost(host, "sc")
        if s.labels in donors
    ]
    new = replace(NLP, host, replacements).reference
    words, borders = naive(host, replacements)
    assert [token.text for token in new] == words
    gone = {i for r in replacements for i in range(r.start, r.end)}
    for i, token in enumerate(host):
        if i not in gone:
            moved = new[borders[i]]
            assert (moved.text, moved.whitespace_) == (token.text, token.whitespace_)
            assert (moved.tag_, moved.ent_iob) == (token.tag_, token.ent_iob)
            assert moved.is_sent_start == token.is_sent_start
    n_starts = Counter(token.is_sent_start for token in host)
    assert Counter(token.is_sent_start for token in new)[True] == n_starts[True]
    for r in replacements:
        assert new[borders[r.end] - 1].whitespace_ == host[r.end - 1].whitespace_
        assert [t.tag_ for t in new[borders[r.start] : borders[r.end]]] == [
            a[0] for a in r.donor.attrs
        ]
    for key in host.spans:
        check_spans(host.spans[key], new.spans[key], key, replacements, borders)
    check_spans(host.ents, new.ents, None, replacements, borders)


def check_spans(old, new, key, replacements, borders):
    expected = []
    for span in old:
        if not any(r.start <= span.start and span.end <= r.end for r in replacements):
            expected.append((borders[span.start], borders[span.end], span.label_))
    around = list(expected)
    for r in replacements:
        start, end = borders[r.start], borders[r.end]
        inner = r.donor.ents if key is None else dict(r.donor.groups)[key]
        if key is None and any(s <= start and end <= e for s, e, _ in around):
            continue  # within a larger entity
        expected.extend((start + s.start, start + s.end, s.label) for s in inner or ())
    assert triples(new) == sorted(expected)


def test_spans_of_other_groups(tmp_path):
    """Around a mention they are stretched, across its border they keep it from being replaced."""
    donors = [make("Bank of France", (0, 3, "ORG")), make("Siemens", (0, 1, "ORG"))]
    for donor in donors:
        donor.spans["clauses"] = []
    augmenter = make_augmenter(tmp_path, donors)
    doc = make("yesterday Bosch said so", (1, 2, "ORG"))
    doc.spans["clauses"] = [Span(doc, 0, 2, "C"), Span(doc, 3, 4, "C")]
    texts = set()
    for _ in range(20):
        (variant,) = vary(augmenter, doc)
        texts.add(tuple(described(variant.reference, "clauses")))
    assert texts == {
        (("so", "C"), ("yesterday Bank of France", "C")),
        (("so", "C"), ("yesterday Siemens", "C")),
    }
    crossing = make("yesterday Bosch AG said so", (1, 3, "ORG"))
    crossing.spans["clauses"] = [Span(crossing, 0, 2, "C")]
    (same,) = vary(augmenter, crossing)
    assert same.reference is crossing
    # What the donors' documents do not say about a group is not known.
    other = make("yesterday Bosch said so", (1, 2, "ORG"))
    other.spans["more"] = []
    (same,) = vary(augmenter, other)
    assert same.reference is other


def test_discontinuous_and_crossing_mentions_are_left_alone(tmp_path):
    augmenter = make_augmenter(tmp_path)
    doc = make("Bosch and Siemens of Berlin")
    doc.spans["sc"] = [
        Span(doc, 0, 1, "ORG", span_id="1"),
        Span(doc, 3, 5, "ORG", span_id="1"),
        Span(doc, 4, 5, "GPE"),
    ]
    crossing = make("Bosch of Berlin and Rome", (0, 3, "ORG"), (2, 5, "GPE"))
    for left_alone in (doc, crossing):
        (same,) = vary(augmenter, left_alone)
        assert same.reference is left_alone
    (variant,) = vary(augmenter, make("Bosch and Siemens", (0, 1, "ORG")))
    assert variant.reference.text != "Bosch and Siemens"


def test_labels_with_one_mention_are_told(tmp_path):
    augmenter = make_augmenter(tmp_path, [make("a b", (0, 1, "X")), make("c a", (1, 2, "X"))])
    doc = make("so a it is", (1, 2, "X"))
    with pytest.warns(UserWarning, match="1 labels of .*donors.spacy.*one mention only.*X"):
        (same,) = augmenter(NLP, example_of(doc))
    assert same.reference is doc
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(augmenter(NLP, example_of(doc)))
    # Another mention can be replaced by it.
    (variant,) = vary(augmenter, make("so z it is", (1, 2, "X")))
    assert variant.reference.text == "so a it is"


def test_two_labels_in_one_place(tmp_path):
    docs = [
        make("Rome acts", (0, 1, "GPE"), (0, 1, "ORG")),
        make("Oslo acts", (0, 1, "GPE"), (0, 1, "ORG")),
        make("Bosch acts", (0, 1, "ORG")),
    ]
    augmenter = make_augmenter(tmp_path, docs)
    doc = make("Paris acts", (0, 1, "ORG"), (0, 1, "GPE"))
    texts = set()
    for _ in range(10):
        (variant,) = vary(augmenter, doc)
        texts.add(variant.reference.text)
        assert triples(variant.reference.spans["sc"]) == [(0, 1, "GPE"), (0, 1, "ORG")]
    assert texts == {"Rome acts", "Oslo acts"}


def test_spaces_are_those_of_the_place(tmp_path):
    words, spaces = ["(", "Bosch", ")"], [False, False, False]
    doc = Doc(VOCAB, words=words, spaces=spaces)
    doc.spans["sc"] = [Span(doc, 1, 2, "ORG")]
    donor = Doc(VOCAB, words=["AT", "&", "T", "acts"], spaces=[False, False, True, False])
    donor.spans["sc"] = [Span(donor, 0, 3, "ORG")]
    (variant,) = vary(make_augmenter(tmp_path, [donor]), doc)
    assert variant.reference.text == variant.predicted.text == "(AT&T)"
    assert [t.text for t in variant.predicted] == ["(", "AT", "&", "T", ")"]


def test_unknown_spaces(tmp_path):
    doc = Doc(VOCAB, words=["do", "n't", "Bosch"])
    doc.spans["sc"] = [Span(doc, 2, 3, "ORG")]
    (variant,) = vary(make_augmenter(tmp_path, [make("Siemens acts", (0, 1, "ORG"))]), doc)
    assert variant.reference.has_unknown_spaces
    assert [t.text for t in variant.predicted] == ["do", "n't", "Siemens"]
    (variant,) = vary(make_augmenter(tmp_path, [doc]), make("Siemens acts", (0, 1, "ORG")))
    assert variant.reference.has_unknown_spaces


def test_mentions_without_a_label_are_left_alone(tmp_path):
    doc = make("now Bosch acts", (1, 2, ""))
    (same,) = vary(make_augmenter(tmp_path, [*TRAINING, make("VW acts", (0, 1, ""))]), doc)
    assert same.reference is doc


def test_extension_attributes(tmp_path):
    """Those of the document stay. Those of characters would be about others."""
    if not Doc.has_extension("test_augment"):
        Doc.set_extension("test_augment", default=None)
        Span.set_extension("test_augment", default=None)
    doc = make("now Bosch acts", (1, 2, "ORG"))
    doc._.test_augment, doc[2:3]._.test_augment = "doc", "span"
    (variant,) = vary(make_augmenter(tmp_path), doc)
    assert variant.reference._.test_augment == "doc" and len(variant.reference.user_data) == 1


def test_the_prediction_is_made_by_the_tokenizer_if_it_agrees(tmp_path):
    """So that tokens have the norms that they have at run time."""
    doc = Doc(VOCAB, words=["He", "'ll", "met", "Bosch"], spaces=[False, True, True, False])
    doc.spans["sc"] = [Span(doc, 3, 4, "ORG")]
    (variant,) = vary(make_augmenter(tmp_path, [make("Siemens acts", (0, 1, "ORG"))]), doc)
    assert variant.predicted[1].norm_ == "will" and variant.predicted[3].text == "Siemens"


def with_ents(doc, *ents, **kwargs):
    doc.set_ents([Span(doc, *ent) for ent in ents], **kwargs)
    return doc


def iob(doc):
    return " ".join(f"{t.ent_iob_ or '?'}-{t.ent_type_}".rstrip("-") for t in doc)


def test_entities(tmp_path):
    def augmented(donor, doc):
        (variant,) = vary(make_augmenter(tmp_path, [donor]), doc)
        return iob(variant.reference)

    donor = make("Bank of France acts", (0, 3, "ORG"))
    host = make("now Bosch is in Rome", (1, 2, "ORG"))
    known = with_ents(donor.copy(), (0, 3, "ORG"))
    inner = with_ents(donor.copy(), (2, 3, "GPE"))
    host = with_ents(host, (1, 2, "ORG"), (4, 5, "GPE"))
    assert augmented(known, host) == "O B-ORG I-ORG I-ORG O O B-GPE"
    assert augmented(inner, host) == "O O O B-GPE O O B-GPE"
    assert augmented(donor, host) == "O ? ? ? O O B-GPE"
    wide = with_ents(donor.copy(), (0, 4, "X"))
    assert augmented(wide, host) == "O ? ? ? O O B-GPE"
    around = with_ents(host.copy(), (0, 3, "EVENT"))
    assert augmented(known, around) == "B-EVENT I-EVENT I-EVENT I-EVENT I-EVENT O O"
    plain = make("now Bosch is in Rome", (1, 2, "ORG"))
    assert augmented(known, plain) == "? ? ? ? ? ? ?"
    partly = with_ents(plain.copy(), (1, 2, "ORG"), missing=[plain[0:1]], blocked=[plain[4:5]])
    assert augmented(known, partly) == "? B-ORG I-ORG I-ORG O O B"


def test_donors_in_unknown_stretches_are_not_used(tmp_path):
    docs = [make("Bosch acts", (0, 1, "ORG")), make("Siemens acts", (0, 1, "ORG"))]
    docs[0].spans["un"] = [Span(docs[0], 0, 2, "")]
    host = make("now VW acts", (1, 2, "ORG"))
    host.spans["un"] = [Span(host, 2, 3, "")]
    augmenter = make_augmenter(tmp_path, docs, missing_key="un")
    for _ in range(10):
        (variant,) = vary(augmenter, host)
        assert variant.reference.text == "now Siemens acts"
        assert described(variant.reference, "un") == [("acts", "")]


def test_attributes_of_groups_and_documents(tmp_path):
    doc = make("now Bosch is in Rome")
    spans = [Span(doc, 1, 2, "ORG", kb_id="Q1"), Span(doc, 4, 5, "X", kb_id="Q2", span_id="a")]
    doc.spans["sc"] = SpanGroup(doc, spans=spans, attrs={"scores": [1, 2], "by": "me"})
    doc.spans["kept"] = SpanGroup(doc, spans=[spans[1]], attrs={"scores": [3]})
    doc.cats = {"news": 1.0}
    doc.user_data["id"] = 7
    set_mark(doc, Mark("x", "y", 2))
    donor = make("Bank of France acts")
    donor.spans["sc"] = [Span(donor, 0, 3, "ORG", kb_id="Q3", span_id="a")]
    donor.spans["kept"] = []
    (variant,) = vary(make_augmenter(tmp_path, [donor]), doc)
    reference = variant.reference
    assert reference.spans["sc"].attrs == {"by": "me"}
    assert reference.spans["kept"].attrs == {"scores": [3]}
    found = {span.label_: (span.kb_id_, span.id_) for span in reference.spans["sc"]}
    assert found == {"ORG": ("Q3", ""), "X": ("Q2", "a")}
    assert reference.cats == {"news": 1.0} and reference.user_data["id"] == 7
    set_mark(reference, Mark(last=True))
    assert get_mark(doc) == Mark("x", "y", 2)


def test_levels(tmp_path):
    doc = make("Bosch and Bosch and Bosch", (0, 1, "ORG"), (2, 3, "ORG"), (4, 5, "ORG"))
    donors = [make("Siemens acts", (0, 1, "ORG"))]
    augmenter = make_augmenter(tmp_path, donors, level=0.3, mention_level=0.5)
    counts = Counter()
    for _ in range(400):
        (result,) = vary(augmenter, doc)
        counts["changed"] += result.reference is not doc
        counts["mentions"] += result.reference.text.count("Siemens")
    assert 0.2 < counts["changed"] / 400 < 0.32
    assert 0.35 < counts["mentions"] / (3 * 400 * 0.3) < 0.65
    (same,) = vary(make_augmenter(tmp_path, donors, level=0.0), doc)
    assert same.reference is doc
    first, second = vary(make_augmenter(tmp_path, donors, keep=True), doc)
    assert first.reference is doc and "Siemens" in second.reference.text
    nothing = make("nothing here")
    (same,) = vary(make_augmenter(tmp_path, donors, keep=True), nothing)
    assert same.reference is nothing


def test_draws_of_a_reader_do_not_depend_on_what_was_read_before(tmp_path):
    """A run that is resumed draws what it would have drawn."""
    docs = [make(f"w{i} acts", (0, 1, "ORG")) for i in range(20)]
    path = save(tmp_path / "corpus.spacy", docs)

    def texts(corpus):
        return [example.reference.text for example in corpus(NLP)]

    straight = Corpus(path, weights={"": 2.0}, augmenter=make_augmenter(tmp_path, docs))
    epochs = [texts(straight) for _ in range(3)]
    assert len({tuple(sorted(epoch)) for epoch in epochs}) == 3
    resumed = Corpus(path, weights={"": 2.0}, augmenter=make_augmenter(tmp_path, docs))
    resumed.epoch = 2
    assert texts(resumed) == epochs[2]


def test_draws_depend_on_seed_and_visit(tmp_path):
    docs = [make(f"w{i} acts", (0, 1, "ORG")) for i in range(20)]
    host = make("Bosch acts", (0, 1, "ORG"))

    def run(augmenter, epoch=0):
        texts = []
        for number in range(10):
            set_mark(host, Mark(epoch=epoch, number=number))
            texts.append(vary(augmenter, host)[0].reference.text)
        return texts

    augmenter = make_augmenter(tmp_path, docs, seed=3)
    random.seed(0)
    first = run(augmenter)
    random.seed(1)
    assert run(augmenter) == run(make_augmenter(tmp_path, docs, seed=3)) == first
    assert run(augmenter, epoch=1) != first
    assert run(make_augmenter(tmp_path, docs, seed=4)) != first


def test_draws_without_marks_depend_on_seed_and_chance(tmp_path):
    """As those of spaCy's augmenters, whose source of chance is what a checkpoint keeps."""
    docs = [make(f"w{i} acts", (0, 1, "ORG")) for i in range(20)]
    host = make("Bosch acts", (0, 1, "ORG"))

    def run(augmenter):
        return [vary(augmenter, host)[0].reference.text for _ in range(10)]

    random.seed(0)
    augmenter = make_augmenter(tmp_path, docs, seed=3)
    first = run(augmenter)
    assert run(augmenter) != first
    random.seed(0)
    assert run(pickle.loads(pickle.dumps(augmenter))) == first
    random.seed(0)
    assert run(make_augmenter(tmp_path, docs, seed=4)) != first
    random.seed(1)
    assert run(augmenter) != first


def test_donors_know_their_strings(tmp_path):
    """A pickled augmenter works with a vocabulary that never saw the donors."""
    donor = Doc(VOCAB, words=["Xyzzy", "acts"], tags=["T1", "T2"], pos=["PROPN", "VERB"])
    donor[0].lemma_ = "xyz"
    donor[0].set_morph("Number=Sing")
    donor.spans["sc"] = [Span(donor, 0, 1, "ODD", kb_id="Q77")]
    augmenter = make_augmenter(tmp_path, [donor])
    vary(augmenter, make("so it is", (0, 1, "ODD")))
    other = spacy.blank("en")
    augmenter = pickle.loads(pickle.dumps(augmenter))
    doc = plain_doc(other.vocab, "so it is", [(0, 1, "ODD")], sent_starts=[True, False, False])
    (variant,) = augmenter(other, Example(other.make_doc(doc.text), doc))
    token = variant.reference[0]
    assert (token.text, token.tag_, token.pos_, token.lemma_) == ("Xyzzy", "T1", "PROPN", "xyz")
    assert str(token.morph) == "Number=Sing" and variant.reference[1].tag_ == ""
    assert variant.reference.spans["sc"][0].kb_id_ == "Q77"


def test_errors(tmp_path):
    with pytest.raises(ValueError, match=r"no path.*corpora.train.augmenter"):
        MentionReplacement(None)
    with pytest.raises(ValueError, match="level is 2"):
        MentionReplacement(tmp_path, level=2)
    with pytest.raises(ValueError, match="mention_level is -1"):
        MentionReplacement(tmp_path, mention_level=-1)
    missing = MentionReplacement(tmp_path / "gone.spacy", level=1.0)
    with pytest.raises(ValueError, match=r"gone.spacy.*no such file"):
        vary(missing, TRAINING[0])
    with pytest.raises(ValueError, match=r"no mentions.*spans\['mine'\].*'sc'.*spans_key"):
        vary(make_augmenter(tmp_path, spans_key="mine"), TRAINING[0])


def test_in_the_reader(tmp_path):
    path = save(tmp_path / "train.spacy", TRAINING * 5)
    config = {
        "@readers": "spacy-contrastive-ner.Corpus.v1",
        "path": str(path),
        "augmenter": {
            "@augmenters": "spacy-contrastive-ner.MentionReplacement.v1",
            "path": str(path),
            "level": 1.0,
            "mention_level": 1.0,
            "keep": True,
        },
    }
    corpus = spacy.registry.resolve({"train": config})["train"]
    assert isinstance(corpus, Corpus)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        examples = list(corpus(NLP))
    assert len(examples) == 20
    assert [get_mark(example.reference).last for example in examples] == [False] * 19 + [True]
    assert "Siemens left France" in {example.reference.text for example in examples} or any(
        "Ministry of Health of France left" in example.reference.text for example in examples
    )
