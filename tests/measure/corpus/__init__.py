"""Small models with the FLOPs of one forward call, derived beside each. A multiply-add is two."""

from tests.measure.corpus.attention import ATTENTION, encoder_layer
from tests.measure.corpus.case import Case, feed_forward, mha
from tests.measure.corpus.convolutions import CONVOLUTIONS
from tests.measure.corpus.free import FREE
from tests.measure.corpus.products import IN_PLACE, LINEAR, MATRICES
from tests.measure.corpus.recurrent import RECURRENT

CORPUS = [*LINEAR, *MATRICES, *CONVOLUTIONS, *ATTENTION, *RECURRENT, *FREE]

__all__ = [
    "ATTENTION",
    "CONVOLUTIONS",
    "CORPUS",
    "FREE",
    "IN_PLACE",
    "LINEAR",
    "MATRICES",
    "RECURRENT",
    "Case",
    "encoder_layer",
    "feed_forward",
    "mha",
]
