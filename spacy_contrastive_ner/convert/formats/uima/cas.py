"""The contents of UIMA CAS files: XMI and the two kinds of JSON."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple
from xml.etree.ElementTree import Element

from ...notes import BadInput
from ...safe_xml import elements
from ...textfile import TextFile
from ..shared.inception_layers import LABEL_FEATURES

XMI = "http://www.omg.org/XMI"
INITIAL_VIEW = "_InitialView"
# What every annotation has, and is no feature.
NO_FEATURES = frozenset(("begin", "end", "sofa", "xmiid"))
STRINGS = ("uima.cas.String", "uima.cas.StringArray", "uima.cas.StringList", "uima.cas.String[]")
NO_STRING = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?|true|false|[0-9]+( [0-9]+)+")


@dataclass
class Span:
    """An annotation of a text.

    type (str): Its type, with its name space.
    begin (int): Where it begins, in UTF-16 units.
    end (int): Where it ends.
    features (Dict[str, List[str]]): Its features with strings; most have one value.
    is_relation (bool): Whether it is a relation between two others.
    """

    type: str
    begin: int
    end: int
    features: Dict[str, List[str]] = field(default_factory=dict)
    is_relation: bool = False


@dataclass
class Cas:
    """A document with its annotations.

    text (str): The text.
    spans (List[Span]): The annotations of the text.
    view (str): The name of the view that the text is of.
    other_views (Counter): How many annotations other views have, by name.
    title (str): The name of the document, if it has one.
    language (str): Its language, if it is known.
    """

    text: str
    spans: List[Span]
    view: str = INITIAL_VIEW
    other_views: Counter = field(default_factory=Counter)
    title: str = ""
    language: str = ""


# The features with strings of each type, as far as the type system is known.
Types = Dict[str, List[str]]


def parse(file: TextFile, data: bytes, types: Types) -> Cas:
    """Read a CAS.

    file (TextFile): The file, for errors.
    data (bytes): Its contents.
    types (Types): The type system, if it is known from elsewhere.
    RETURNS (Cas): The document.
    """
    is_xml = data.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<")
    found = _parse_xmi(file, data, types) if is_xml else _parse_json(file, data)
    for span in found.spans:
        if span.type.endswith((".DocumentMetaData", ".DocumentAnnotation")):
            found.title = next(iter(span.features.get("documentTitle", [])), found.title)
            found.language = next(iter(span.features.get("language", [])), found.language)
    return found


def parse_types(file: TextFile, data: bytes) -> Types:
    """Read a type system (TypeSystem.xml).

    file (TextFile): The file, for errors.
    data (bytes): Its contents.
    RETURNS (Types): The features with strings of each type.
    """
    parents: Dict[str, str] = {}
    own: Dict[str, Dict[str, str]] = {}
    for element, _ in elements(file, ["typeDescription"], data):
        name = _inner(element, "name")
        parents[name] = _inner(element, "supertypeName")
        own[name] = {
            _inner(feature, "name"): _inner(feature, "rangeTypeName")
            for feature in _all(element, "featureDescription")
        }
    return _string_features(parents, own)


def _inner(element: Element, name: str) -> str:
    # Names may have the name space of UIMA.
    found = next((child for child in element if child.tag.rpartition(":")[2] == name), None)
    return (found.text or "").strip() if found is not None else ""


def _all(element: Element, name: str) -> Iterator[Element]:
    return (inner for inner in element.iter() if inner.tag.rpartition(":")[2] == name)


def _string_features(parents: Dict[str, str], own: Dict[str, Dict[str, str]]) -> Types:
    def line_of(name: str) -> List[str]:
        line: List[str] = []
        while name in own and name not in line:
            line.append(name)
            name = parents[name]
        return line

    def is_string(range: str) -> bool:
        # Tag sets are types that inherit from String.
        return range in STRINGS or parents.get((line_of(range) or [range])[-1]) in STRINGS

    return {
        name: [
            feature
            for ancestor in line_of(name)
            for feature, range in own[ancestor].items()
            if is_string(range)
        ]
        for name in own
    }


def _parse_xmi(file: TextFile, data: bytes, types: Types) -> Cas:
    """Read XMI. All feature structures are children of the root."""
    sofas: List[Dict[str, str]] = []
    found: List[Tuple[Span, str]] = []
    for element, line in elements(file, [f"{XMI}}}XMI"], data, namespaces=True):
        for child in element:
            type = _type_of(child.tag)
            if type == "uima.cas.Sofa":
                sofas.append({key.rpartition("}")[2]: text for key, text in child.attrib.items()})
            elif "begin" in child.attrib and "end" in child.attrib:
                found.append((_xmi_span(file, line, type, child, types), child.get("sofa", "")))
        return _pick_view(file, sofas, found)
    raise BadInput(
        file.where(1), "it is XML, but no XMI", "Export the document as UIMA CAS XMI or JSON"
    )


def _type_of(tag: str) -> str:
    uri, _, name = tag.rpartition("}")
    space = uri.removeprefix("http:///").removesuffix(".ecore").replace("/", ".")
    return name if space in ("", "uima.noNamespace") else f"{space}.{name}"


def _xmi_span(file: TextFile, line: int, type: str, element: Element, types: Types) -> Span:
    begin, end = element.attrib["begin"], element.attrib["end"]
    span = Span(type, _offset(file, line, begin, type), _offset(file, line, end, type))
    span.is_relation = "Governor" in element.attrib and "Dependent" in element.attrib
    known = types.get(type)
    for key, value in element.attrib.items():
        # References and numbers look alike: only the type system tells strings from them.
        is_string = key in LABEL_FEATURES or not NO_STRING.fullmatch(value)
        if known is not None:
            is_string = key in known
        if is_string and value and "}" not in key and key not in NO_FEATURES:
            span.features[key] = [value]
    for child in element:
        if child.text:
            span.features.setdefault(child.tag.rpartition("}")[2], []).append(child.text)
    return span


def _offset(file: TextFile, line: int, value: Any, type: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(
            file.where(line),
            f"an annotation of the type {type} has the offset {value!r}",
            "Correct it, or export the document again",
        ) from None


def _pick_view(
    file: TextFile, sofas: Iterable[Dict[str, Any]], found: Iterable[Tuple[Span, str]]
) -> Cas:
    """Take the text of the initial view, or else of the first, and its annotations."""
    texts = [sofa for sofa in sofas if isinstance(sofa.get("sofaString"), str)]
    if not texts:
        raise BadInput(
            file.where(1),
            "it has no text (no Sofa with a sofaString)",
            "Export the document with its text",
        )
    chosen = next((sofa for sofa in texts if sofa.get("sofaID") == INITIAL_VIEW), texts[0])
    names = {str(sofa.get("id", "")): str(sofa.get("sofaID", "")) for sofa in sofas}
    cas = Cas(chosen["sofaString"], [], str(chosen.get("sofaID", INITIAL_VIEW)))
    for span, sofa in found:
        if not sofa or sofa == str(chosen.get("id", "")):
            cas.spans.append(span)
        else:
            cas.other_views[names.get(sofa, sofa)] += 1
    return cas


def _parse_json(file: TextFile, data: bytes) -> Cas:
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadInput(
            file.where(data[: error.start].count(b"\n") + 1),
            "its bytes are no UTF-8",
            "JSON is written in UTF-8: export the document again",
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise BadInput(
            file.where(line),
            f"the JSON is not valid: {getattr(error, 'msg', 'it is nested too deep')}",
            "The file may be cut off: get it again",
        ) from None
    if b"\\ud" in data.lower() and _has_halves(content):
        raise BadInput(
            file.where(),
            "there is half a character (a lone surrogate \\ud8..)",
            "Export the document again",
        )
    if isinstance(content, dict) and "%FEATURE_STRUCTURES" in content:
        return _parse_json_cas(file, content)
    if isinstance(content, dict) and "_referenced_fss" in content:
        return _parse_old_json(file, content)
    raise BadInput(
        file.where(1),
        "it is JSON, but no UIMA CAS (it has no %FEATURE_STRUCTURES)",
        "Export the document as UIMA CAS JSON",
    )


def _has_halves(content: Any) -> bool:
    """Whether there are halves of characters, which JSON can hold, but no text."""
    try:
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _parse_json_cas(file: TextFile, content: Dict[str, Any]) -> Cas:
    structures = content["%FEATURE_STRUCTURES"]
    if isinstance(structures, dict):
        structures = [
            {"%ID": key, **value} for key, value in structures.items() if isinstance(value, dict)
        ]
    if not (isinstance(structures, list) and all(isinstance(item, dict) for item in structures)):
        raise BadInput(
            file.where(1),
            "its %FEATURE_STRUCTURES are no list of objects",
            "Export the document again as UIMA CAS JSON",
        )
    by_id = {str(structure.get("%ID")): structure for structure in structures}
    sofas: List[Dict[str, Any]] = []
    found: List[Tuple[Span, str]] = []
    for structure in structures:
        type = str(structure.get("%TYPE", ""))
        if type == "uima.cas.Sofa":
            sofas.append({**structure, "id": structure.get("%ID")})
            continue
        # Anchors may be marked by ^, references are by @, numbers that are none by #.
        plain = {key.lstrip("^"): value for key, value in structure.items()}
        if "begin" not in plain or "end" not in plain:
            continue
        begin, end = (_offset(file, 1, plain[key], type) for key in ("begin", "end"))
        span = Span(type, begin, end)
        span.is_relation = "@Governor" in plain and "@Dependent" in plain
        for key, value in plain.items():
            if key.startswith("@") and key != "@sofa":
                array = by_id.get(str(value), {})
                if array.get("%TYPE") in STRINGS:
                    value = array.get("%ELEMENTS")
            _keep_strings(span, key.lstrip("@"), value)
        found.append((span, str(plain.get("@sofa", ""))))
    return _pick_view(file, sofas, found)


def _keep_strings(span: Span, name: str, value: Any) -> None:
    """Keep the value of a feature if it is a string or several."""
    values = value if isinstance(value, list) else [value]
    strings = [text for text in values if isinstance(text, str) and text]
    if strings and name[0] not in "%#_" and name not in NO_FEATURES:
        span.features[name] = strings


def _parse_old_json(file: TextFile, content: Dict[str, Any]) -> Cas:
    """Read what UIMA and INCEpTION wrote before: the annotations are listed by view and type, what
    is 0 is left out, and what is referred to stands apart."""
    structures = content["_referenced_fss"]
    if not isinstance(structures, dict):
        raise BadInput(
            file.where(1), "its _referenced_fss are no object", "Export the document again"
        )
    types = (content.get("_context") or {}).get("_types") or {}
    sofas = [
        {**structure, "id": key}
        for key, structure in structures.items()
        if isinstance(structure, dict) and structure.get("_type") == "Sofa"
    ]
    found: List[Tuple[Span, str]] = []
    for by_type in (content.get("_views") or {}).values():
        for short, annotations in by_type.items():
            type = str((types.get(short) or {}).get("_id", short))
            for annotation in annotations:
                if not isinstance(annotation, dict):
                    annotation = structures.get(str(annotation)) or {}
                if "end" not in annotation or "sofa" not in annotation:
                    continue
                begin, end = (
                    _offset(file, 1, annotation.get(key, 0), type) for key in ("begin", "end")
                )
                span = Span(type, begin, end)
                span.is_relation = "Governor" in annotation and "Dependent" in annotation
                for key, value in annotation.items():
                    _keep_strings(span, key, value)
                found.append((span, str(annotation["sofa"])))
    return _pick_view(file, sofas, found)


def short_reason(data: bytes) -> Optional[str]:
    """RETURNS (Optional[str]): Why the beginning of a file is that of a CAS, None if it is not."""
    start = data[:4096]
    if b"<" in start[:64] and XMI.encode() in start and re.search(rb"<[\w.-]+:XMI\b", start):
        return "XML whose root is xmi:XMI"
    if re.match(rb"(?:\xef\xbb\xbf)?\s*\{", start):
        if re.match(rb'(?:\xef\xbb\xbf)?\s*\{\s*"%(TYPES|HEADER|FEATURE_STRUCTURES)"', start):
            return "a JSON object with %TYPES and %FEATURE_STRUCTURES"
        if re.match(
            rb'(?:\xef\xbb\xbf)?\s*\{\s*"(_context|_views|_referenced_fss)"\s*:\s*\{', start
        ):
            return "a JSON object with _views and _referenced_fss"
    return None
