"""Small models with the FLOPs of one forward call, derived beside each. A multiply-add is two."""

from tests.measure.corpus.attention import ATTENTION, encoder_layer
from tests.measure.corpus.case import Case, feed_forward, mha
from tests.measure.corpus.convolutions import CONVOLUTIONS
from tests.measure.corpus.free import FREE
from tests.measure.corpus.linalg import DISTANCES, LINALG, TRANSFORMS
from tests.measure.corpus.low_bit import LOW_BIT
from tests.measure.corpus.products import IN_PLACE, INTO, LINEAR, MATRICES
from tests.measure.corpus.quantised import QUANTISED
from tests.measure.corpus.recurrent import RECURRENT
from tests.measure.corpus.sparse import SPARSE

ALL = [
    *LINEAR, *MATRICES, *INTO, *LOW_BIT, *CONVOLUTIONS, *ATTENTION, *RECURRENT, *QUANTISED, *SPARSE,
    *LINALG, *TRANSFORMS, *DISTANCES, *FREE,
]  # fmt: skip
CORPUS = [case for case in ALL if case.exists]

__all__ = [
    "ATTENTION",
    "CONVOLUTIONS",
    "CORPUS",
    "FREE",
    "IN_PLACE",
    "LINEAR",
    "LOW_BIT",
    "MATRICES",
    "QUANTISED",
    "RECURRENT",
    "SPARSE",
    "Case",
    "encoder_layer",
    "feed_forward",
    "mha",
]
