"""XML: what is refused, what is known, which encodings are read."""

import pytest

from spacy_contrastive_ner.convert.notes import BadInput
from spacy_contrastive_ner.convert.safe_xml import elements, events
from spacy_contrastive_ner.convert.textfile import TextFile


def put(folder, data, encoding="utf-8"):
    path = folder / "in.xml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode(encoding))
    return TextFile(path)


def text_of(file, **options):
    return "".join(event.text for event in events(file, **options))


def refused(file):
    with pytest.raises(BadInput) as caught:
        list(events(file))
    return caught.value


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY x "lol">',
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY x PUBLIC "a" "http://localhost:9/x">',
        "<!ENTITY % x \"<!ENTITY y 'z'>\"> %x;",
        '<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;',
    ],
)
def test_declared_entities_are_refused(tmp_path, declaration):
    error = refused(put(tmp_path, f"<!DOCTYPE a [\n{declaration}\n]>\n<a>&x;</a>"))
    assert "declares the entity 'x'" in error.found and error.where.line == 2
    assert error.where.path == tmp_path / "in.xml"


def test_bomb_is_refused_before_it_grows(tmp_path):
    lines = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    error = refused(put(tmp_path, f'<!DOCTYPE a [<!ENTITY e0 "lol">{lines}]><a>&e11;</a>'))
    assert "declares the entity 'e0'" in error.found


def test_dtd_is_harmless_and_not_fetched(tmp_path):
    (tmp_path / "my.dtd").write_text('<!ENTITY mine "from outside">')
    path = (tmp_path / "my.dtd").as_uri()
    head = f'<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "{path}">'
    assert text_of(put(tmp_path, f"{head}<a>b</a>")) == "b"
    assert text_of(put(tmp_path, "<!DOCTYPE a [<!ELEMENT a (#PCDATA)>]><a>b</a>")) == "b"
    error = refused(put(tmp_path, f"{head}\n<a>&mine;</a>"))
    assert "&mine; is not known" in error.found and error.where.line == 3
    error = refused(put(tmp_path, f'{head}\n<a>\n<b c="&mine;"/></a>'))
    assert "&mine; is not known" in error.found and error.where.line == 4


@pytest.mark.parametrize("doctype", ["", '<!DOCTYPE a SYSTEM "no.dtd">'])
def test_names_of_html_are_known(tmp_path, doctype):
    file = put(tmp_path, f'{doctype}<a b="&eacute;&amp;">&beta;&nbsp;&lt;&#228;&#x1F600;</a>')
    start, *rest = events(file)
    assert start.attrs == {"b": "é&"}
    assert "".join(event.text for event in rest) == "β\u00a0<ä😀"


def test_unknown_entity_without_dtd(tmp_path):
    error = refused(put(tmp_path, "<a>\n&foo;</a>"))
    assert "&foo; is not known" in error.found and error.where.line == 2


def test_unclosed_and_wrongly_closed(tmp_path):
    error = refused(put(tmp_path, "<a>\n<b>\ntext\n"))
    assert "<b> of line 2 is not closed" in error.found and error.where.line == 4
    error = refused(put(tmp_path, "<a>\n<b>\n</a>"))
    assert "<b> of line 2 is still open" in error.found and error.where.line == 3
    error = refused(put(tmp_path, "<a>\n<b"))
    assert "<a> of line 1 is not closed" in error.found
    assert "there is no XML" in refused(put(tmp_path, "")).found
    assert refused(put(tmp_path, "<a>\n b & c</a>")).where.line == 2


def test_what_stands_before_an_error_is_given(tmp_path):
    found = []
    with pytest.raises(BadInput):
        for element, _ in elements(put(tmp_path, "<a><b>1</b><b>2</b><b>3"), ["b"]):
            found.append(element.text)
    assert found == ["1", "2"]


@pytest.mark.parametrize(
    "encoding", ["iso-8859-1", "windows-1252", "utf-16", "utf-8-sig", "utf-32", "iso-8859-15"]
)
def test_encodings(tmp_path, encoding):
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f'<?xml version="1.0" encoding="{name}"?><a>é ç ñ</a>'
    assert text_of(put(tmp_path, text, encoding)) == "é ç ñ"


@pytest.mark.parametrize("encoding", ["shift_jis", "euc-jp", "gb18030", "big5", "utf-16-le"])
def test_wide_encodings(tmp_path, encoding):
    name = "UTF-16" if encoding == "utf-16-le" else encoding
    text = f"<?xml version='1.0' encoding='{name}'?><a>中文</a>"
    assert text_of(put(tmp_path, text, encoding)) == "中文"


def test_encoding_that_cannot_be(tmp_path):
    # Read byte by byte up to here, so it is not what it says.
    assert text_of(put(tmp_path, '<?xml version="1.0" encoding="UTF-16"?><a>é</a>')) == "é"
    for name in ("klingon", "base64", "undefined", "idna", "unicode_escape"):
        error = refused(put(tmp_path, f'<?xml version="1.0" encoding="{name}"?><a/>'))
        assert "is not known" in error.found
    error = refused(put(tmp_path, b'<?xml version="1.0"?>\n<a>\n\xe9</a>'))
    assert "the bytes e9" in error.found and error.where.line == 3


def test_given_encoding_wins(tmp_path):
    file = put(tmp_path, b'<?xml version="1.0" encoding="utf-8"?><a>\xe9</a>')
    assert text_of(TextFile(file.path, "latin-1")) == "é"


def test_streams(tmp_path):
    class Endless(TextFile):
        def chunks(self, size=0):
            yield b"<all>"
            for number in range(1000):
                self.n = number
                yield b"<x>\xf0\x9f"
                yield b"\x98\x80<x/></x>"

    file = Endless(tmp_path / "in.xml")
    element, line = next(elements(file, ["x"]))
    assert element.text == "😀" and len(element) == 1 and line == 1
    assert file.n == 0


def test_namespaces(tmp_path):
    file = put(tmp_path, '<p:a xmlns:p="http://x"><p:b/></p:a>')
    assert [event.name for event in events(file)] == ["p:a", "p:b", "p:b", "p:a"]
    names = [event.name for event in events(file, namespaces=True)]
    assert names == ["http://x}a", "http://x}b", "http://x}b", "http://x}a"]


def test_deep_nesting(tmp_path):
    depth = 20000
    file = put(tmp_path, "<a>" * depth + "x" + "</a>" * depth)
    assert text_of(file) == "x"


def test_control_characters_of_xml_1_1_are_refused_with_their_line(tmp_path):
    error = refused(put(tmp_path, '<?xml version="1.1"?>\n<a>&#1;</a>'))
    assert error.where.line == 2
