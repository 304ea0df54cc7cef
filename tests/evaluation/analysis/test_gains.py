"""What one model gets right that another one does not."""

import random
from collections import Counter

import pytest

from spacy_contrastive_ner.evaluation.analysis.gains import check_same, counts_of, gains_of
from spacy_contrastive_ner.evaluation.significance import Settings, System, compare

from ..made import case_of, evaluation_of, random_cases, study_of


def two_studies(seed=0, labels="ABC"):
    rng = random.Random(seed)
    golds = random_cases(rng, labels, 8)
    studies = []
    for _ in range(2):
        some = [
            case._replace(predicted=[e for e in case.predicted if rng.random() < 0.7])
            for case in golds
        ]
        studies.append(study_of(some))
    return studies


@pytest.mark.parametrize("seed", range(3))
def test_counts_against_a_loop(seed):
    before, after = two_studies(seed)
    found = gains_of(before, after, draws=100)
    counts, documents = Counter(), []
    for old, new in zip(before.cases, after.cases):
        own = Counter()
        for span in old.gold_spans() | old.predicted_spans() | new.predicted_spans():
            was, now = span in old.predicted_spans(), span in new.predicted_spans()
            if was == now:
                continue
            is_gold = span in new.gold_spans()
            change = {
                (1, 1): "gained",
                (1, 0): "lost",
                (0, 1): "spurious_new",
                (0, 0): "spurious_gone",
            }
            own[change[is_gold, now]] += 1
            counts[span[2], change[is_gold, now]] += 1
        documents.append((new.id, own))
    changes = ("gained", "lost", "spurious_gone", "spurious_new")
    for record in found.labels.records():
        assert [record[key] for key in changes] == [counts[record["label"], key] for key in changes]
    assert sum(sum(row[2:6]) for row in found.labels.rows) == sum(counts.values())
    told = {r["document"]: Counter({k: r[k] for k in changes}) for r in found.documents.records()}
    assert told == dict(documents)
    for record in found.documents.records():
        assert record["change"] == record["errors_before"] - record["errors_after"]
        assert record["change"] == (
            record["gained"] - record["lost"] + record["spurious_gone"] - record["spurious_new"]
        )
    values = found.documents.column("change")
    assert values == sorted(values, reverse=True)


def test_scores_are_those_of_the_evaluations():
    before, after = two_studies()
    found = gains_of(before, after, draws=100)
    sides = [study.evaluation.as_dict() for study in (before, after)]
    micro, macro = found.overall.records()
    assert [micro["f_before"], micro["f_after"]] == pytest.approx([s["micro"]["f"] for s in sides])
    assert [macro["f_before"], macro["f_after"]] == pytest.approx([s["macro"]["f"] for s in sides])
    for record in found.labels.records():
        label = record["label"]
        assert record["f_before"] == pytest.approx(sides[0]["labels"][label]["f"])
        assert record["support"] == sides[0]["labels"][label]["support"]
    for record in found.documents.records():
        (case,) = (case for case in after.cases if case.id == record["document"])
        wanted = evaluation_of([case]).as_dict()["micro"]["f"]
        assert record["f_after"] == pytest.approx(wanted)


def test_intervals_are_those_of_compare():
    before, after = two_studies()
    found = gains_of(before, after, ("x", "y"), seed=3, draws=200)
    labels = found.labels.column("label")
    systems = [System(n, counts_of(s.evaluation, labels)) for n, s in (("x", before), ("y", after))]
    (wanted,) = compare(systems, labels, Settings(200, 3))["comparisons"]
    for record in found.labels.records():
        measure = wanted["labels"][record["label"]]
        for key in ("difference", "low", "high", "p", "p_holm", "can_tell"):
            assert record[key] == measure[key]
    assert found.overall.records()[0]["low"] == wanted["micro"]["low"]
    assert found.notes == wanted["notes"] and any("one run of each" in n for n in found.notes)
    assert gains_of(before, after, seed=3, draws=200).labels == found.labels
    assert gains_of(before, after, seed=4, draws=200).labels != found.labels


def test_labels_that_are_predicted_only():
    """Also if both models predict the same of them."""
    gold, spurious = [(0, 1, "A")], [(3, 4, "B")]
    before = study_of([case_of(gold, spurious)])
    after = study_of([case_of(gold, [*gold, *spurious])])
    rows = {
        record["label"]: record for record in gains_of(before, after, draws=100).labels.records()
    }
    assert rows["A"]["gained"] == 1 and rows["A"]["f_before"] == 0.0 and rows["A"]["f_after"] == 1.0
    assert rows["B"]["support"] == 0 and rows["B"]["f_before"] is None is rows["B"]["p"]


def test_other_documents_cannot_be_compared():
    before, after = two_studies()
    other = study_of(after.cases[1:])
    with pytest.raises(ValueError, match="same documents and gold"):
        check_same(before, other, ("a", "b"))
    changed = [after.cases[0]._replace(gold=after.cases[1].gold), *after.cases[1:]]
    with pytest.raises(ValueError, match="'a' and 'b' were not"):
        check_same(before, study_of(changed), ("a", "b"))
    with pytest.raises(ValueError, match="no gold to score 'b'"):
        check_same(before, after._replace(evaluation=None), ("a", "b"))
    check_same(before, after, ("a", "b"))
