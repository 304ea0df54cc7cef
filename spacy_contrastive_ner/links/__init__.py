"""Links: fragments of one discontinuous entity, found as spans, are tied together.

Which spans may belong together at all (`pair_up`), which of these pairs do in the gold (`targets`),
and which entities a score for each pair makes (`partition`, and `share` where fragments belong to
several). Arrays only: nothing in here knows
spaCy, and what is scored, and how, is a matter of `layers/span_pairs.py`.
"""

from .pairs import Pairs, Spans, gap_bucket, pair_up
from .partition import EXACT, fragments_of, partition
from .sharing import share
from .targets import FAR, NO_LINKS, SHARED, Fragments, Targets, hull, shared_labels, targets

__all__ = [
    "EXACT",
    "FAR",
    "NO_LINKS",
    "SHARED",
    "Fragments",
    "Pairs",
    "Spans",
    "Targets",
    "fragments_of",
    "gap_bucket",
    "hull",
    "pair_up",
    "partition",
    "share",
    "shared_labels",
    "targets",
]
