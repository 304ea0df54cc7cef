"""Documents that several people annotated."""

import pytest
import spacy

from spacy_contrastive_ner.convert.detect import find
from spacy_contrastive_ner.convert.format import options_of
from spacy_contrastive_ner.convert.formats import FORMATS
from spacy_contrastive_ner.convert.formats.shared.annotators import (
    CURATION,
    INITIAL,
    NO_MAJORITY,
    OTHER_ANNOTATOR,
    FileKind,
    Group,
    agree,
    group_of_file,
    wanted_of,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Record, Where, entity
from spacy_contrastive_ner.convert.run import NOTHING, Conversion, convert
from spacy_contrastive_ner.convert.textfile import TextFile

# Files whose first letter is an x; what stands behind it is the text.
KIND = FileKind(lambda file: file.text().startswith("x"), lambda file: file.text()[1:])


def put(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.t").write_text(content)
    return sorted(folder.glob("*.t"))


def groups(paths, annotator="auto", together=()):
    """What is read for each file: the names of the files, and that of the document."""
    found = [group_of_file(TextFile(p, together=together), annotator, KIND, Notes()) for p in paths]
    return [group and ([file.path.stem for file in group.items], group.folder) for group in found]


@pytest.mark.parametrize(
    ("names", "annotator", "wanted"),
    [
        (["a", "b"], "auto", ["a"]),
        (["a", CURATION], "auto", [CURATION]),
        ([INITIAL, "b"], "auto", ["b"]),
        ([INITIAL], "auto", [INITIAL]),
        (["a", CURATION, INITIAL, "b"], "majority", ["a", "b"]),
        ([CURATION, INITIAL], "majority", [CURATION]),
        (["a", "b"], "b", ["b"]),
        (["a", "b"], "c", []),
        (["a", INITIAL], INITIAL, [INITIAL]),
    ],
)
def test_who_is_read(names, annotator, wanted):
    assert wanted_of(names, annotator) == wanted


def test_same_text_makes_a_document(tmp_path):
    assert groups(put(tmp_path / "d", a="xT", b="xT")) == [(["a"], "d"), None]
    assert groups(put(tmp_path / "e", a="xT", b="xU")) == [(["a"], ""), (["b"], "")]
    # Nor are empty texts one document, or files of another kind annotators.
    assert groups(put(tmp_path / "f", a="x", b="x")) == [(["a"], ""), (["b"], "")]
    assert groups(put(tmp_path / "g", a="yT", b="xT")[1:]) == [(["b"], "")]
    assert groups(put(tmp_path / "h", a="xT", b="xT", c="xU"), "majority") == [
        (["a", "b"], "h"),
        None,
        (["c"], ""),
    ]


def test_only_files_that_are_read_together_count(tmp_path):
    one = put(tmp_path / "annotation" / "d", a="xT", b="xT")
    two = put(tmp_path / "curation" / "d", CURATION_USER="xT")
    assert groups([*one, *two], together=[*one, *two]) == [None, None, (["CURATION_USER"], "d")]
    assert groups(one, together=one) == [(["a"], "d"), None]
    assert groups(two, together=two) == [(["CURATION_USER"], "")]
    assert groups(one[1:], together=one[1:]) == [(["b"], "")]
    assert groups([*one, *two], "every", [*one, *two]) == [
        (["a"], "d"),
        (["b"], "d"),
        (["CURATION_USER"], "d"),
    ]
    assert groups(one, together=one[:1]) == [(["a"], ""), None]
    # Folders of another project, or of none, are others.
    other = put(tmp_path / "source" / "d", CURATION_USER="xT")
    assert groups(one, together=[*one, *other]) == [(["a"], "d"), None]


def test_names():
    assert Group([], "", False).names("ann") == ("ann", "")
    assert Group([], "", True).names("ann", name="x/ann") == ("x/ann", "")
    assert Group([], "d", False).names("ann", name="x/ann") == ("d", "")
    assert Group([], "d", True).names("ann") == ("d/ann", "d")
    assert Group([], "d", True).names("ann", "title") == ("title/ann", "title")


def test_agreement(tmp_path):
    def record(*spans):
        entities = [entity(start, end, label) for start, end, label in spans]
        return Record("a b c", entities, Where(tmp_path / "a"))

    one, two, three = (0, 1, "A"), (2, 3, "B"), (2, 3, "C")
    notes = Notes()
    # Who marks a thing twice has one vote.
    agreed = agree([record(two, one, one), record(two), record(three, three)], notes)
    assert agreed.entities == record(two).entities
    assert notes.tallies[NO_MAJORITY].labels == {"A": 1, "C": 1}
    alone = record(one, one)
    assert agree([alone], notes).entities == record(one, one).entities


def test_formats_offer_the_same_choice():
    webanno, uima = (options_of(FORMATS[name].read)["annotator"] for name in ("webanno", "uima"))
    assert webanno == uima


TSV = "#FORMAT=WebAnno TSV 3.3\n#T_SP=c.Span|value\n\n\n#Text=Anna\n1-1\t0-4\tAnna\t{}\t\n"


def test_conversion_of_a_project(tmp_path):
    source = tmp_path / "in"
    for name, label in (
        ("annotation/d.txt/ann", "A"),
        ("annotation/d.txt/bob", "B"),
        ("curation/d.txt/CURATION_USER", "C"),
    ):
        path = source / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TSV.format(label))

    def labels(path, **options):
        notes = Notes()
        found, target = find(path, FORMATS), tmp_path / "out.spacy"
        nlp = spacy.blank("en")
        result = convert(Conversion(found, target, FORMATS["spacy"], nlp, read=options), notes)
        told = {kind: tally.total for kind, tally in notes.tallies.items()}
        # It is said once why a file is not read.
        assert NOTHING not in told
        counts = {label: count.entities for label, count in result.summary.labels.items()}
        return counts, told.get(OTHER_ANNOTATOR, 0)

    assert labels(source) == ({"C": 1}, 2)
    assert labels(source / "annotation") == ({"A": 1}, 1)
    assert labels(source / "annotation" / "d.txt" / "bob.tsv") == ({"B": 1}, 0)
    assert labels(source, annotator="bob") == ({"B": 1}, 2)
    assert labels(source, annotator="every") == ({"A": 1, "B": 1, "C": 1}, 0)
    with pytest.raises(BadInput, match="there are no documents in it, read as webanno"):
        labels(source, annotator="cy")
