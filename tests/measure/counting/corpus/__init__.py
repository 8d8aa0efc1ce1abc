"""Small models with the FLOPs of one forward call, derived beside each. A multiply-add is two."""

from tests.measure.counting.corpus.attention import ATTENTION, encoder_layer
from tests.measure.counting.corpus.case import Case, feed_forward, mha
from tests.measure.counting.corpus.convolutions import CONVOLUTIONS
from tests.measure.counting.corpus.free import FREE
from tests.measure.counting.corpus.linalg import DISTANCES, LINALG, TRANSFORMS
from tests.measure.counting.corpus.low_bit import LOW_BIT
from tests.measure.counting.corpus.products import IN_PLACE, INTO, LINEAR, MATRICES
from tests.measure.counting.corpus.quantised import QUANTISED
from tests.measure.counting.corpus.recurrent import RECURRENT
from tests.measure.counting.corpus.sparse import SPARSE

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
