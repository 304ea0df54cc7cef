"""The formats, one a file, or a folder where a file would get long: there `read` begins. To add one
is to write its file and to name it here. What several are made of is in `shared`.
"""

from typing import Dict

from ..format import Format
from . import (
    binder,
    brat,
    columns,
    conllu,
    docbin,
    inline_xml,
    jsonl,
    label_studio,
    offset_tsv,
    pubtator,
    runne,
    spacy_json,
    uima,
    webanno,
)
from .bioc import read_json as bioc_json
from .bioc import read_xml as bioc_xml

# Of several formats that recognise a file the first is taken: the most particular come first. Of
# several with the same suffix the last is written.
FORMATS: Dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        docbin,
        webanno,
        uima,
        bioc_xml,
        bioc_json,
        inline_xml,
        pubtator,
        brat,
        runne,
        binder,
        label_studio,
        spacy_json,
        jsonl,
        offset_tsv,
        conllu,
        columns,
    )
}
