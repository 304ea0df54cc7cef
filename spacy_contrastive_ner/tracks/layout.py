from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy

# The four tags of a label follow each other in this order, after tag 0, which is O.
BEGIN, IN, LAST, UNIT = range(4)

HEADS = ("per_label", "joint")

# How many entities of one label may lie over each other.
MAX_LAYERS = 3

# (start, end, label): tokens, end exclusive.
LabelledSpan = Tuple[int, int, str]


class Layout(NamedTuple):
    """Which track holds what.

    heads (str): "per_label": each label has tracks of its own, one a layer, and entities of
        different labels nest and cross freely. "joint": one track carries all labels, and no two
        entities overlap.
    labels (Tuple[str, ...]): The labels, in the order of their tracks.
    layers (Tuple[int, ...]): For each label, how many tracks it has. Entities of one label that
        overlap cannot share a track. All ones for joint heads.
    """

    heads: str
    labels: Tuple[str, ...]
    layers: Tuple[int, ...]

    @classmethod
    def build(cls, heads: str, layers: Dict[str, int]) -> "Layout":
        """Make a layout from the number of layers of each label.

        heads (str): "per_label" or "joint".
        layers (Dict[str, int]): The labels and their number of layers.
        RETURNS (Layout): The layout.
        """
        if heads not in HEADS:
            raise ValueError(f"heads is {heads!r}, but must be one of {', '.join(HEADS)}.")
        depths = (1 if heads == "joint" else depth for depth in layers.values())
        return cls(heads, tuple(layers), tuple(depths))

    @property
    def n_tracks(self) -> int:
        """K, the number of tracks."""
        if self.heads == "joint":
            return min(len(self.labels), 1)
        return sum(self.layers)

    @property
    def labels_per_track(self) -> int:
        """M, the number of labels that one track carries."""
        return len(self.labels) if self.heads == "joint" else 1

    @property
    def n_tags(self) -> int:
        """1 + 4M, the number of tags of one track."""
        return 1 + 4 * self.labels_per_track

    @property
    def width(self) -> int:
        """K * (1 + 4M), the number of scores a token has."""
        return self.n_tracks * self.n_tags

    def slots(self) -> List[List[Tuple[int, int]]]:
        """RETURNS (List[List[Tuple[int, int]]]): For each label its (track, place in the track),
        one for each layer.
        """
        if self.heads == "joint":
            return [[(0, i)] for i in range(len(self.labels))]
        firsts = numpy.cumsum((0, *self.layers)).tolist()
        return [[(first + i, 0) for i in range(n)] for first, n in zip(firsts, self.layers)]

    def track_labels(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The index of the label at each place of each track, [K, M]."""
        table = numpy.zeros((self.n_tracks, self.labels_per_track), dtype="int64")
        for label, slots in enumerate(self.slots()):
            for track, place in slots:
                table[track, place] = label
        return table

    def with_label(self, label: str, layers: int) -> "Layout":
        """Add a label behind the others, so that theirs stay where they are.

        label (str): The new label.
        layers (int): Its number of tracks.
        RETURNS (Layout): The larger layout.
        """
        return self.build(self.heads, {**dict(zip(self.labels, self.layers)), label: layers})

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data, for JSON or msgpack."""
        return {"heads": self.heads, "labels": list(self.labels), "layers": list(self.layers)}

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Layout":
        """RETURNS (Layout): The layout that `to_dict` wrote down."""
        return cls(data["heads"], tuple(data["labels"]), tuple(data["layers"]))


def outermost_first(spans: Sequence[LabelledSpan]) -> List[LabelledSpan]:
    """Sort spans in the order in which they are put on tracks: longest first, ties by start.

    spans (Sequence[LabelledSpan]): (start, end, label), in any order.
    RETURNS (List[LabelledSpan]): The same spans, an outer one always before an inner one.
    """
    return sorted(spans, key=lambda span: (span[0] - span[1], span))


def layers_needed(documents: Sequence[Sequence[LabelledSpan]], max_layers: int) -> Dict[str, int]:
    """Find out how many layers each label needs, so that overlapping entities of one label find
    a track each.

    documents (Sequence[Sequence[LabelledSpan]]): The spans of each document.
    max_layers (int): The largest number of layers a label may have.
    RETURNS (Dict[str, int]): For each label that occurs, sorted, its number of layers. Spans
        without a label are passed over.
    """
    needed: Dict[str, int] = {}
    for spans in documents:
        by_label: Dict[str, List[LabelledSpan]] = {}
        for span in outermost_first(list(dict.fromkeys(spans))):
            by_label.setdefault(span[2], []).append(span)
        by_label.pop("", None)
        for label, same in by_label.items():
            depth = _depth(same, max_layers)
            needed[label] = max(needed.get(label, 1), depth)
    return dict(sorted(needed.items()))


def _depth(spans: Sequence[LabelledSpan], max_layers: int) -> int:
    """How many layers the spans of one label in one document take, at most `max_layers`."""
    free = numpy.ones((max_layers, max(end for _, end, _ in spans)), dtype="bool")
    depth = 1
    for start, end, _ in spans:
        layer = next((i for i in range(max_layers) if free[i, start:end].all()), None)
        if layer is not None:
            free[layer, start:end] = False
            depth = max(depth, layer + 1)
    return depth
