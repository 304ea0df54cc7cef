"""XML with the entities as elements in the text."""

from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.inline_xml.read import AMPERSAND, FORMAT, read, recognise
from spacy_contrastive_ner.convert.formats.inline_xml.walk import (
    ALTERNATIVE,
    COMPOSITE,
    EMPTY,
    LOST,
    NO_LABEL,
    OTHER_TEXT,
    UNEQUAL,
    parts_of,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import TextFile

GENIA = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/css" href="gpml.css"?>
<!DOCTYPE set SYSTEM "gpml.dtd">
<set>
<import resource="GENIAontology.daml" prefix="G"></import>
<article>
<articleinfo>
<bibliomisc>MEDLINE:95369245</bibliomisc>
</articleinfo>
<title>
<sentence><cons lex="IL-2_gene_expression" sem="G#other_name"><cons lex="IL-2_gene" sem=\
"G#DNA_domain_or_region">IL-2 gene</cons> expression</cons> and <cons sem="G#protein">NF</cons>.\
</sentence>
</title>
<abstract>
<sentence><cons lex="(AND a b)" sem="(AND G#DNA G#RNA G#DNA)"><cons lex="c-fos*">c-fos</cons> and \
<cons lex="c-jun*">c-jun</cons> <cons lex="*genes">genes</cons></cons></sentence>
</abstract>
</article>
<article>
<articleinfo><bibliomisc>MEDLINE:2</bibliomisc></articleinfo>
<abstract><sentence>One.</sentence><sentence><cons sem="G#cell">Two</cons></sentence></abstract>
</article>
</set>
"""
HAREM = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE colHAREM>
<colHAREM versao="Segundo">
<DOC DOCID="H2-1">
<P>A <EM ID="H2-1-1" CATEG="ABSTRACCAO|ACONTECIMENTO" TIPO="IDEIA|EFEMERIDE">Reforma</EM> é</P>
<P><OMITIDO>em <EM ID="H2-1-2" CATEG="LOCAL">França</EM></OMITIDO> o \
<ALT><EM ID="3" CATEG="ACONTECIMENTO">Ovarense-Amora</EM> | \
<EM ID="4" CATEG="PESSOA">Ovarense</EM>-<EM ID="5" CATEG="PESSOA">Amora</EM></ALT> de \
<EM ID="6">x</EM></P>
</DOC>
</colHAREM>
"""


def put(folder, content, encoding="utf-8"):
    path = folder / "in.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return TextFile(path)


def convert(folder, content, encoding="utf-8", notes=None, **options):
    return list(read(put(folder, content, encoding), notes or Notes(), **options))


def spans(record):
    return [(found.text_in(record.text), found.label) for found in record.entities]


def totals(notes):
    return {kind: tally.total for kind, tally in notes.tallies.items()}


def test_genia(tmp_path):
    notes = Notes()
    first, second = convert(tmp_path, GENIA, notes=notes)
    assert (first.id, second.id) == ("MEDLINE:95369245", "MEDLINE:2")
    assert first.where.line == 6
    assert spans(first) == [
        ("IL-2 gene", "DNA_domain_or_region"),
        ("IL-2 gene expression", "other_name"),
        ("NF", "protein"),
        ("c-fos and c-jun genes", "DNA"),
        ("c-fos and c-jun genes", "RNA"),
    ]
    assert first.text == ("\n\n\n\n\nIL-2 gene expression and NF.\n\n\nc-fos and c-jun genes\n\n")
    assert [first.text[s:e] for s, e in first.sents] == [
        "IL-2 gene expression and NF.",
        "c-fos and c-jun genes",
    ]
    # Blocks that touch are parted.
    assert second.text == "\n\nOne.\nTwo\n" and spans(second) == [("Two", "cell")]
    assert [second.text[s:e] for s, e in second.sents] == ["One.", "Two"]
    assert totals(notes) == {NO_LABEL: 3, COMPOSITE: 1}
    assert (
        notes.decisions[0] == "entities are the elements <cons>; the label is the attribute 'sem'"
    )


def test_composite_labels(tmp_path):
    (first, _) = convert(tmp_path, GENIA, composite="keep", prefix=True)
    assert spans(first)[-2:] == [
        ("NF", "G#protein"),
        ("c-fos and c-jun genes", "(AND G#DNA G#RNA G#DNA)"),
    ]
    assert parts_of("(AND G#a (BUT_NOT G#b G#a))") == ["G#a", "G#b"]
    assert parts_of("(AND)") == ["(AND)"]


def test_harem(tmp_path):
    notes = Notes()
    (record,) = convert(tmp_path, HAREM, "iso-8859-1", notes)
    assert record.id == "H2-1"
    assert record.text == "\nA Reforma é\nem França o Ovarense-Amora de x\n"
    assert spans(record) == [
        ("Reforma", "ABSTRACCAO"),
        ("França", "LOCAL"),
        ("Ovarense-Amora", "ACONTECIMENTO"),
    ]
    # What is left out of the evaluation is not annotated for certain.
    assert [found.text_in(record.text) for found in record.missing] == ["em França"]
    assert totals(notes) == {ALTERNATIVE: 3, NO_LABEL: 1}


def test_all_alternatives(tmp_path):
    notes = Notes()
    (record,) = convert(tmp_path, HAREM, "iso-8859-1", notes, alternatives="all", kb="ID")
    assert spans(record) == [
        ("Reforma", "ABSTRACCAO"),
        ("Reforma", "ACONTECIMENTO"),
        ("França", "LOCAL"),
        ("Ovarense-Amora", "ACONTECIMENTO"),
        ("Ovarense", "PESSOA"),
        ("Amora", "PESSOA"),
    ]
    assert record.entities[-1].kb_id == "5"
    assert totals(notes) == {NO_LABEL: 1}
    (record,) = convert(tmp_path, HAREM, "iso-8859-1", alternatives="keep")
    assert spans(record)[0] == ("Reforma", "ABSTRACCAO|ACONTECIMENTO")
    assert len(record.entities) == 3


def test_alternatives_that_differ(tmp_path):
    notes = Notes()
    text = "<d>x <ALT><A1>one two</A1>|<B1>one</B1> three|<C1>one two</C1></ALT> y</d>"
    (record,) = convert(tmp_path, text, notes=notes, alternatives="all")
    assert record.text == "x one two y"
    assert spans(record) == [("one two", "A1"), ("one two", "C1")]
    assert totals(notes) == {UNEQUAL: 1}


def test_nested_alternatives_and_entity_around(tmp_path):
    text = "<d>x <A1><ALT><B1>p<ALT><C1>q</C1>|<D1>q</D1></ALT></B1>|pq</ALT> r</A1> y</d>"
    (record,) = convert(tmp_path, text)
    assert record.text == "x pq r y"
    assert spans(record) == [("q", "C1"), ("pq", "B1"), ("pq r", "A1")]


def test_first_harem_has_no_root_and_bare_ampersands(tmp_path):
    text = """<DOC>
<DOCID>HAREM-871</DOCID>
<GENERO>Web</GENERO>
<TEXTO>
O <PESSOA TIPO="INDIVIDUAL" MORF="M,S">Zé & Filhos</PESSOA> de <LOCAL TIPO="ADMIN">Goa</LOCAL> &lt;
</TEXTO>
</DOC>
<DOC>
<DOCID>HAREM-872</DOCID>
<TEXTO>Nada</TEXTO>
</DOC>
"""
    notes = Notes()
    first, second = convert(tmp_path, text, notes=notes)
    assert (first.id, second.id) == ("HAREM-871", "HAREM-872")
    assert first.text == "\nO Zé & Filhos de Goa <\n" and second.text == "Nada"
    assert spans(first) == [("Zé & Filhos", "PESSOA"), ("Goa", "LOCAL")]
    assert totals(notes) == {AMPERSAND: 1, OTHER_TEXT: 1}
    assert "line 5" in notes.tallies[AMPERSAND].examples[0]
    assert any("no root" in text for text in notes.decisions)


def test_several_xml_files_in_one(tmp_path):
    one = '<?xml version="1.0" encoding="latin-1"?>\n<!DOCTYPE doc>\n<doc>a <X>é</X></doc>\n'
    first, second = convert(tmp_path, one * 2, "latin-1")
    assert (first.text, second.text) == ("a é", "a é")
    assert (first.where.line, second.where.line) == (3, 6)
    assert (first.id, second.id) == ("in-1", "in-2")


def test_text_before_the_first_element(tmp_path):
    text = 'Mr <ENAMEX TYPE="PERSON">Smith</ENAMEX>, <TIMEX TYPE="DATE">Monday</TIMEX>\n'
    (record,) = convert(tmp_path, text)
    assert record.text == "Mr Smith, Monday\n" and record.id == "in"
    assert spans(record) == [("Smith", "PERSON"), ("Monday", "DATE")]


@pytest.mark.parametrize(
    "encoding", ["iso-8859-1", "windows-1252", "utf-16", "utf-8", "iso-8859-15"]
)
def test_any_encoding(tmp_path, encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><d>São <LOC>Tomé</LOC></d>'
    file = put(tmp_path, text, encoding)
    assert "<LOC>" in FORMAT.recognise(file.head())
    (record,) = read(file, Notes())
    assert record.text == "São Tomé" and spans(record) == [("Tomé", "LOC")]


def test_text_is_kept_exactly(tmp_path):
    text = "<d>  two\t blanks\n\n <PER> Bob </PER><LOC>X</LOC>\u00a0\n</d>"
    (record,) = convert(tmp_path, text)
    assert record.text == "  two\t blanks\n\n  Bob X\u00a0\n"
    assert spans(record) == [(" Bob ", "PER"), ("X", "LOC")]


def test_options(tmp_path):
    text = (
        '<all><part no="7"><h>Head <it>not</it></h><seg>He saw <nm c="PER" k="Q1">Bob</nm>.</seg>'
        "<seg>So.</seg></part><part><seg>x</seg></part></all>"
    )
    notes = Notes()
    records = convert(
        tmp_path,
        text,
        notes=notes,
        entities=["nm"],
        label="c",
        document="part",
        sentence="seg",
        text="seg",
        kb="k",
    )
    assert [record.text for record in records] == ["He saw Bob.\nSo.", "x"]
    assert spans(records[0]) == [("Bob", "PER")]
    assert records[0].entities[0].kb_id == "Q1"
    assert records[0].sents == [(0, 11), (12, 15)]
    assert totals(notes) == {OTHER_TEXT: 2}
    (record,) = convert(tmp_path, text, entities=["nm"], label="tag", document="", text="")
    assert record.text == "Head notHe saw Bob.So.x" and spans(record) == [("Bob", "nm")]


def test_elements_are_found_by_what_they_are(tmp_path):
    # How a text looks is not what it says; tokens beside nothing are no entities.
    text = (
        "<doc><p>A <b>bold</b> <name type='PER'>Bob <i>Roe</i></name> and "
        "<name type='ORG'>the <name type='LOC'>Rome</name> office</name></p>"
        "<p><w>x</w> <w>y</w></p></doc>"
    )
    (record,) = convert(tmp_path, text)
    assert spans(record) == [
        ("Bob Roe", "PER"),
        ("Rome", "LOC"),
        ("the Rome office", "ORG"),
    ]
    assert record.text == "A bold Bob Roe and the Rome office\nx y"


def test_what_is_lost_is_counted(tmp_path):
    text = "<c><h>Of <PER>Bob</PER></h><doc>Of <PER>Al</PER></doc><doc> </doc></c>"
    notes = Notes()
    (record,) = convert(tmp_path, text, notes=notes)
    assert spans(record) == [("Al", "PER")]
    assert totals(notes) == {LOST: 1, OTHER_TEXT: 2, EMPTY: 1}
    assert LOST.is_loss


def test_entities_outside_of_text_elements_make_all_of_it_text(tmp_path):
    text = "<doc><title>By <PER>Bob</PER></title><text>Of <PER>Al</PER></text></doc>"
    (record,) = convert(tmp_path, text)
    assert record.text == "By Bob\nOf Al" and len(record.entities) == 2


def test_no_entities_is_told(tmp_path):
    notes = Notes()
    (record,) = convert(tmp_path, "<doc><p>Nothing.</p></doc>", notes=notes)
    assert record.text == "Nothing." and not record.entities
    assert "no elements that look like entities" in notes.decisions[0]


@pytest.mark.parametrize(
    ("content", "found", "line"),
    [
        ("<d>\n<PER>Bob\n</d>", "<PER> of line 2 is still open", 3),
        ("<d>a\n<PER>Bob\n", "<PER> of line 2 is not closed", 3),
        ("<DOC>a</DOC>\n<DOC>b", "<DOC> of line 2 is not closed", 2),
        ('<!DOCTYPE d [\n<!ENTITY x "y">]><d>a <P>&x;</P></d>', "declares the entity 'x'", 2),
        (
            '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<d>a <P>&x;</P></d>',
            "declares the entity 'x'",
            1,
        ),
        (b"<d>a\n<P>\xe9</P></d>", "the bytes e9", 2),
        ("", "there is no XML", 1),
    ],
)
def test_bad_input(tmp_path, content, found, line):
    with pytest.raises(BadInput, match=found) as caught:
        convert(tmp_path, content)
    assert caught.value.where == (tmp_path / "in.xml", line, "")
    notes = Notes(skip_bad=True)
    assert convert(tmp_path, content, notes=notes) == [] and notes.n_skipped == 1


def test_recognise(tmp_path):
    def reason(content, name="in.xml", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return FORMAT.recognise(TextFile(path).head())

    assert "<cons>" in reason(GENIA)
    assert "<EM>" in reason(HAREM, encoding="latin-1")
    assert "<PER>" in reason("<DOC>a & <PER>b</PER></DOC>\n<DOC>c</DOC>")
    assert "<PER>" in reason("<d>" + "word <PER>Bé</PER> " * 9000 + "</d>")
    assert "declares entities" in reason('<!DOCTYPE d [<!ENTITY x "y">]><d>a <P>&x;</P></d>')
    for content in (
        "",
        "Plain text, 1 < 2 and 3 > 2.\n",
        "a\tO\n<b>\tB-PER\nc </b>\tI-PER\n",
        "<3\tO\n",
        '{"text": "a <b>c</b>", "spans": []}\n',
        "T1\tPER 0 3\tBob\n",
        "123|t|A <PER>title</PER>\n123|a|Text\n",
        '<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection><source>x</source>'
        "<document><id>1</id><passage><offset>0</offset><text>a</text></passage></document>"
        "</collection>",
        '<xmi:XMI xmlns:xmi="http://www.omg.org/XMI"><a>b</a></xmi:XMI>',
        "<typeSystemDescription><types><name>a</name></types></typeSystemDescription>",
        "<!DOCTYPE html><html><body>a <b>c</b> <x>y</x></body></html>",
        "<doc><p>Only <b>markup</b>.</p></doc>",
        "<r><a>1</a><b>2</b></r>",
        "#FORMAT=WebAnno TSV 3.3\n\n\n#Text=a\n1-1\t0-1\ta\t\n",
        b"PK\x03\x04 <a>b <c>d</c></a>",
        b"\x00\xff<a\x00",
    ):
        assert reason(content) is None, content
    assert reason("<p>Text <PER>x</PER></p>", "README.md") is None
    for name in ("base64", "zlib", "rot13", "idna", "undefined", "klingon"):
        assert reason(f'<?xml version="1.0" encoding="{name}"?><d>a <PER>x</PER></d>')


LETTERS = st.characters(
    exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufeff\ufffe\uffff"
)
SOME = st.text(LETTERS | st.sampled_from(" \n\t😀e\u0301中אب&<>|"), max_size=8)
LABEL = st.text(LETTERS | st.sampled_from("-_ é中"), min_size=1, max_size=6).filter(
    lambda text: text == text.strip() and "#" not in text and "|" not in text and text[0] != "("
)
TREE = st.recursive(
    SOME,
    lambda inner: st.tuples(LABEL, st.lists(inner, max_size=3)) | st.lists(inner, max_size=3),
    max_leaves=12,
)


def draw(tree, parts, found):
    """Write a tree as XML; collect its text and the entities, innermost first."""
    if isinstance(tree, str):
        parts.append(tree)
        return escape(tree)
    if isinstance(tree, list):
        return "".join(draw(inner, parts, found) for inner in tree)
    label, inner = tree
    start = len("".join(parts))
    xml = draw(inner, parts, found)
    found.append((start, len("".join(parts)), label))
    return f"<entity name={quoteattr(label)}>{xml}</entity>"


@settings(max_examples=150, deadline=None)
@given(tree=TREE, encoding=st.sampled_from(["utf-8", "utf-16"]))
def test_random_trees(tmp_path_factory, tree, encoding):
    parts, found = ["a "], []
    xml = draw(tree, parts, found)
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<d>a {xml}</d>'
    (record,) = convert(
        tmp_path_factory.mktemp("xml"), text, encoding, entities=["entity"], label="name"
    )
    assert record.text == "".join(parts)
    assert [(one.start, one.end, one.label) for one in record.entities] == found


def test_xml_with_other_ends_is_recognised_by_its_name(tmp_path):
    for name, told in (("a.xml", "XML that is not well-formed"), ("a.txt", None)):
        (tmp_path / name).write_text("<doc><s>Hi <PER>Anna</s></doc>")
        assert recognise(TextFile(tmp_path / name).head()) == told
    with pytest.raises(BadInput, match="line 1"):
        list(read(TextFile(tmp_path / "a.xml"), Notes()))
