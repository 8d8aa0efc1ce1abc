"""What was published for YOLOv5s with 5 classes: parameters and GFLOPs of each row."""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the published table; GFLOPs are for one image of 3x640x640, as printed."""

    index: int  # type: ignore[assignment]  # hides `tuple.index`
    params: int
    type: str
    gflops: str


PUBLISHED: tuple[Row, ...] = (
    Row(0, 3_520, "Conv", "0.72"),
    Row(1, 18_560, "Conv", "0.95"),
    Row(2, 18_816, "C3", "0.96"),
    Row(3, 73_984, "Conv", "0.95"),
    Row(4, 115_712, "C3", "1.48"),
    Row(5, 295_424, "Conv", "0.95"),
    Row(6, 625_152, "C3", "2.00"),
    Row(7, 1_180_672, "Conv", "0.94"),
    Row(8, 1_182_720, "C3", "0.95"),
    Row(9, 656_896, "SPPF", "0.53"),
    Row(10, 131_584, "Conv", "0.11"),
    Row(11, 0, "Upsample", "0.00"),
    Row(12, 0, "Concat", "0.00"),
    Row(13, 361_984, "C3", "1.16"),
    Row(14, 33_024, "Conv", "0.11"),
    Row(15, 0, "Upsample", "0.00"),
    Row(16, 0, "Concat", "0.00"),
    Row(17, 90_880, "C3", "1.16"),
    Row(18, 147_712, "Conv", "0.47"),
    Row(19, 0, "Concat", "0.00"),
    Row(20, 296_448, "C3", "0.95"),
    Row(21, 590_336, "Conv", "0.47"),
    Row(22, 0, "Concat", "0.00"),
    Row(23, 1_182_720, "C3", "0.95"),
    Row(24, 26_970, "Detect", "0.09"),
)
PUBLISHED_PARAMS = 7_033_114
PUBLISHED_GFLOPS = "15.883"
