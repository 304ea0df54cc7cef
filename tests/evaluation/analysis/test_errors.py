"""Kinds of errors, against all pairs that are as good and plain rules."""

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings

from spacy_contrastive_ner.evaluation.analysis.errors import (
    ERRORS,
    KINDS,
    Verdict,
    errors_of,
    judge,
    nested_pairs,
)
from spacy_contrastive_ner.evaluation.classes import Training

from ..made import TEXT, case_of, random_cases
from ..random_mentions import mentions
from ..test_matching import all_matchings, quality


def places(span):
    return set(range(*span[:2]))


def naive_kind(a, b):
    if a[:2] == b[:2]:
        return "right" if a[2] == b[2] else "wrong label"
    if places(a) < places(b):
        return "too long"
    return "too short" if places(b) < places(a) else "shifted"


def naive_pieces(wholes, rest):
    """wholes: span and its first piece."""
    pieces = {whole: [piece] for whole, piece in wholes}
    for piece in sorted(rest, key=lambda span: (span[0], -span[1], span[2])):
        fitting = [
            whole
            for whole in pieces
            if whole[2] == piece[2]
            and places(piece) <= places(whole)
            and not any(places(piece) & places(other) for other in pieces[whole])
        ]
        if fitting:
            pieces[min(fitting, key=lambda w: (w[1] - w[0], w))].append(piece)
    return {whole: some for whole, some in pieces.items() if len(some) > 1}


def naive(gold, predicted, pairs):
    missed = gold - {a for a, _ in pairs}
    spurious = predicted - {b for _, b in pairs}
    same = [(a, b) for a, b in pairs if a[2] == b[2]]
    short = [(a, b) for a, b in same if naive_kind(a, b) == "too short"]
    long = [(b, a) for a, b in same if naive_kind(a, b) == "too long"]
    splits, joins = naive_pieces(short, spurious), naive_pieces(long, missed)
    found = set()
    for a, b in pairs:
        kind = "split" if a in splits else "joined" if b in joins else naive_kind(a, b)
        found |= {Verdict("gold", a, kind, b, True), Verdict("predicted", b, kind, a, True)}
    for whole, (_, *rest) in splits.items():
        found |= {Verdict("predicted", piece, "split", whole) for piece in rest}
    for whole, (_, *rest) in joins.items():
        found |= {Verdict("gold", piece, "joined", whole) for piece in rest}
    told = {(verdict.side, verdict.span) for verdict in found}
    found |= {Verdict("gold", a, "missed") for a in missed if ("gold", a) not in told}
    left = {b for b in spurious if ("predicted", b) not in told}
    return found | {Verdict("predicted", b, "spurious") for b in left}


@settings(max_examples=200, deadline=None)
@given(mentions(7), mentions(7))
@example({(0, 7, "A")}, {(0, 2, "A"), (3, 5, "A"), (4, 7, "A"), (5, 7, "B")})
@example({(0, 2, "A"), (2, 3, "A"), (5, 6, "B")}, {(0, 7, "A")})
@example({(0, 7, "A"), (1, 6, "A")}, {(0, 2, "A"), (1, 3, "A"), (4, 5, "A"), (5, 6, "A")})
def test_kinds_against_enumeration(gold, predicted):
    verdicts = judge(gold, predicted)
    assert [v.span for v in verdicts if v.side == "gold"] == sorted(
        gold, key=lambda span: (span[0], -span[1], span[2])
    )
    # Each has exactly one kind.
    assert Counter(v.side for v in verdicts) == Counter(gold=len(gold), predicted=len(predicted))
    options = [(a, b) for a in gold for b in predicted if places(a) & places(b)]
    matchings = list(all_matchings(options))
    best = max(map(quality, matchings))
    some = [naive(gold, predicted, pairs) for pairs in matchings if quality(pairs) == best]
    assert set(verdicts) in some


ORG, PER = (2, 8, "ORG"), (2, 8, "PER")


@pytest.mark.parametrize(
    "gold, predicted, kinds",
    [
        ([ORG], [ORG], ["right", "right"]),
        ([ORG], [PER], ["wrong label", "wrong label"]),
        ([ORG], [(2, 9, "ORG")], ["too long", "too long"]),
        ([ORG], [(1, 9, "PER")], ["too long", "too long"]),
        ([ORG], [(3, 8, "ORG")], ["too short", "too short"]),
        ([ORG], [(5, 9, "PER")], ["shifted", "shifted"]),
        ([ORG], [(8, 9, "ORG")], ["missed", "spurious"]),
        ([ORG], [(2, 4, "ORG"), (5, 8, "ORG")], ["split", "split", "split"]),
        # Pieces have its label, and do not overlap.
        ([ORG], [(2, 4, "ORG"), (5, 8, "PER")], ["too short", "too short", "spurious"]),
        ([ORG], [(2, 5, "ORG"), (4, 8, "ORG")], ["too short", "spurious", "too short"]),
        ([(2, 4, "ORG"), (5, 8, "ORG")], [ORG], ["joined", "joined", "joined"]),
        ([(2, 4, "ORG"), (5, 8, "PER")], [ORG], ["too long", "missed", "too long"]),
        # The first of two further pieces that overlap; of the same start, the longer one.
        (
            [(0, 10, "ORG")],
            [(0, 5, "ORG"), (6, 8, "ORG"), (7, 9, "ORG")],
            ["split", "split", "split", "spurious"],
        ),
        (
            [(0, 10, "ORG")],
            [(0, 5, "ORG"), (6, 7, "ORG"), (6, 9, "ORG")],
            ["split", "split", "split", "spurious"],
        ),
        # An inner entity that was found is no piece of the outer one.
        ([ORG, (2, 4, "ORG")], [(2, 4, "ORG")], ["missed", "right", "right"]),
        ([], [], []),
    ],
)
def test_each_kind(gold, predicted, kinds):
    verdicts = judge(gold, predicted)
    assert [verdict.kind for verdict in verdicts] == kinds
    assert set(kinds) <= set(KINDS)


def test_partners_and_labels():
    verdicts = judge({ORG}, {(2, 4, "ORG"), (5, 8, "ORG")})
    assert [v.partner for v in verdicts] == [(5, 8, "ORG"), ORG, ORG]
    assert [v.is_paired for v in verdicts] == [True, False, True]
    assert all(v.label_right for v in verdicts)
    assert [v.label_right for v in judge({ORG}, {(1, 9, "PER")})] == [False, False]
    assert [v.label_right for v in judge({ORG}, set())] == [None]


def made():
    gold = [(0, 6, "ORG"), (1, 4, "ORG"), (5, 6, "GPE"), (8, 9, "PER"), (10, 14, "PER")]
    predicted = [(0, 6, "ORG"), (1, 5, "ORG"), (5, 6, "LOC"), (10, 12, "PER"), (12, 14, "PER")]
    scores = {(1, 5, "ORG"): 0.75, (0, 6, "ORG"): 0.5}
    candidates = {(1, 4, "ORG"): 0.25, (0, 6, "ORG"): 0.5}
    return case_of(gold, [*predicted, (16, 17, "LOC")], scores=scores, candidates=candidates)


def test_table_of_errors():
    training = Training()
    training.add(TEXT, {(1, 4, "PER")})
    case = made()
    records = errors_of([case], training).errors.records()
    kinds = ["too long", "wrong label", "missed", "split", "split", "spurious"]
    assert [record["kind"] for record in records] == kinds
    assert records[0] == {
        "document": "d",
        "kind": "too long",
        "start": 1,
        "end": 4,
        "text": "bcd",
        "gold_label": "ORG",
        "predicted_label": "ORG",
        "label_right": True,
        "predicted_start": 1,
        "predicted_end": 5,
        "predicted_text": "bcde",
        "score": 0.75,
        "gold_score": 0.25,
        "nested": True,
        "same_label_nested": True,
        "new": False,
        "length": 3,
    }
    assert records[1]["nested"] and not records[1]["same_label_nested"] and records[1]["new"]
    assert records[1]["label_right"] is False
    missed, _, piece, spurious = records[2:]
    assert missed["predicted_label"] is None and missed["score"] is None
    assert (piece["start"], piece["end"]) == (10, 14)
    assert {r["predicted_text"] for r in records[3:5]} == {"kl", "mn"}
    assert spurious["gold_label"] is None and spurious["text"] == "q"
    assert all(record["new"] is None for record in errors_of([case]).errors.records())


def test_what_is_not_known_is_no_error():
    unknown = case_of([(0, 2, "A")], [(0, 2, "A"), (3, 5, "A")], missing=[(4, 6, "")])
    plain = case_of(None, [(3, 5, "A")])
    found = errors_of([unknown, plain])
    assert found.errors.rows == []
    assert found.kinds.rows == [["right", "A", 1, 1, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_counts_fit_together(seed):
    cases = random_cases(random.Random(seed), ("A", "B", "C"))
    found = errors_of(cases)
    gold = Counter(span[2] for case in cases for span in case.gold_spans())
    predicted = Counter(span[2] for case in cases for span in case.predicted_spans())
    right = sum(len(case.gold_spans() & case.predicted_spans()) for case in cases)
    rows, columns, by_kind = Counter(), Counter(), Counter()
    for a, b, n, same_borders in found.confusions.rows:
        rows[a] += n
        columns[b] += n
        assert 0 <= same_borders <= n
    assert {k: n for k, n in rows.items() if k is not None} == gold
    assert {k: n for k, n in columns.items() if k is not None} == predicted
    for kind, label, n, m, wrong, _ in found.kinds.rows:
        by_kind["gold", label] += n
        by_kind["predicted", label] += m
        assert kind in ("right", *ERRORS) and wrong <= n
    assert by_kind == Counter({("gold", k): n for k, n in gold.items()}) + Counter(
        {("predicted", k): n for k, n in predicted.items()}
    )
    assert next(n for kind, _, n, *_ in _sums(found.kinds) if kind == "right") == right
    pairs = [pair for case in cases for pair in nested_pairs(case.gold_spans())]
    assert sum(found.nestings.column("pairs")) == len(pairs)
    for _, _, n, *parts in found.nestings.rows:
        assert n == sum(parts)


def _sums(table):
    counts = Counter()
    for kind, _, n, *_ in table.rows:
        counts[kind] += n
    return [(kind, None, n) for kind, n in counts.items()]


@settings(max_examples=300, deadline=None)
@given(mentions(9, 7))
def test_nested_pairs(every):
    wanted = []
    for b in every:
        around = {a[:2] for a in every if places(a) > places(b)}
        if around:
            outer = min(around, key=lambda stretch: (stretch[1] - stretch[0], stretch))
            wanted += [(a, b) for a in every if a[:2] == outer]
    assert sorted(nested_pairs(every)) == sorted(wanted)


def test_missed_nestings():
    gold = [(0, 6, "A"), (1, 3, "B"), (8, 14, "A"), (9, 10, "B"), (11, 12, "A"), (15, 16, "A")]
    found = errors_of([case_of(gold, [(0, 6, "A"), (9, 10, "B")])]).nestings
    assert found.columns == ("outer", "inner", "pairs", "both", "only_outer", "only_inner", "none")
    assert found.rows == [["A", "B", 2, 0, 1, 1, 0], ["A", "A", 1, 0, 0, 0, 1]]


def test_confusions_name_nothing_none():
    gold, predicted = [(0, 2, "A"), (4, 6, "A")], [(0, 2, "B"), (8, 9, "B"), (4, 7, "A")]
    rows = errors_of([case_of(gold, predicted)]).confusions.rows
    assert rows == [["A", "A", 1, 0], ["A", "B", 1, 1], [None, "B", 1, 0]]
    # Further pieces have no counterpart of their own.
    whole, parts = [(0, 6, "A")], [(0, 2, "A"), (3, 6, "A")]
    assert errors_of([case_of(parts, whole)]).confusions.rows == [
        ["A", "A", 1, 0],
        ["A", None, 1, 0],
    ]
    assert errors_of([case_of(whole, parts)]).confusions.rows == [
        ["A", "A", 1, 0],
        [None, "A", 1, 0],
    ]


def test_kinds_with_the_wrong_label():
    case = case_of([(0, 2, "A"), (4, 6, "A"), (8, 9, "A")], [(0, 3, "B"), (4, 7, "A"), (8, 9, "B")])
    assert errors_of([case]).kinds.rows == [
        ["wrong label", "A", 1, 0, 1, 0],
        ["wrong label", "B", 0, 1, 0, 1],
        ["too long", "A", 2, 1, 1, 0],
        ["too long", "B", 0, 1, 0, 1],
    ]


def test_the_text_of_a_span_of_many_pieces_is_not_there_once_for_each():
    text = "ab " * 2000
    pieces = [(3 * i, 3 * i + 2, "A") for i in range(2000)]
    table = errors_of([case_of([(0, len(text), "A")], pieces, text=text)]).errors
    assert table.column("kind") == ["split"] * 2000
    assert {record["end"] for record in table.records()} == {len(text)}
    assert all(value.startswith("ab ab ") for value in table.column("text"))
    assert len(table.as_csv()) < 1000 * len(table.rows)
