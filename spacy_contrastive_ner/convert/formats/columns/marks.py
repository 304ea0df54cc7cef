"""Lines in files of columns that are no tokens: marks of documents, and comments."""

import re

DOCSTART = "-DOCSTART-"
# "-DOCSTART- (1 EU)" of AIDA
NAMED_DOCSTART = re.compile(r"-DOCSTART-\s+\((.*)\)")
# Comments that begin a document: "# newdoc id = 7", "# hipe2022:document_id = 7",
# "#begin document (7); part 000", "###MEDLINE:7".
DOCUMENT = re.compile(
    r"#\s*(?:[\w.-]+:)?(?:newdoc(?:\s+id)?|document_id|document|doc_id|docid)\s*(?:[=:]\s*(.*))?"
    r"|#begin document \((.*)\).*"
    r"|###\s*(\S+)\s*",
    re.IGNORECASE,
)
# Source lines of GermEval: "#", where the sentence is from, the day.
SOURCE = re.compile(r"#\t(\S+)(?:\t| )\[?([^\t\]]*)\]?\t*")
# "# sent_id = 7", "# id 7  domain=en"
SENTENCE_ID = re.compile(r"#\s*(?:sent_id\s*=\s*|id\s+)(\S+).*", re.DOTALL)
TEXT = re.compile(r"#\s*text\s*=\s?(.*)", re.DOTALL)
