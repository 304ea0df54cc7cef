import json
from html.parser import HTMLParser

import numpy
import pytest

from spacy_contrastive_ner.report.markup import escape, isolated, json_block, paragraphs, plain

from .sample import HOSTILE


class Reader(HTMLParser):
    """Reads tags and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text):
    reader = read(f'<p title="{escape(text)}">{isolated(text)}</p>')
    wanted = text.translate(dict.fromkeys([0, 7, 0xD83D, 0xDE00, 0xFFFE], "\ufffd"))
    assert [tag for tag, _ in reader.tags] == ["p", "bdi"]
    assert "".join(reader.texts) == reader.tags[0][1]["title"] == wanted
    isolated(text).encode("utf8")


@pytest.mark.parametrize("text", HOSTILE)
def test_data_stay_data(text):
    block = json_block("name", {"text": [text]})
    block.encode("utf8")
    opened, _, rest = block.partition(">")
    inside, closed, end = rest.partition("</script>")
    assert opened == '<script type="application/json" id="name"'
    assert (closed, end) == ("</script>", "\n")
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == {"text": [text]}


def test_data_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError):
        json_block("name", [float("nan")])


def test_paragraphs():
    assert paragraphs("a <b>\n\n\n  c\nd\n\n") == "<p>a &lt;b&gt;</p>\n<p>c\nd</p>\n"
    assert paragraphs("") == ""
    assert paragraphs("say `a <b>` or ` x") == "<p>say <code>a &lt;b&gt;</code> or ` x</p>\n"


def test_plain_data():
    data = {1: numpy.array([[1.23456789, numpy.nan]]), "b": (float("inf"), -2.0, True, None, 10**9)}
    found = plain(data)
    assert found == {"1": [[1.23457, None]], "b": [None, -2.0, True, None, 10**9]}
    assert found["b"][2] is True
