"""What a profile gives beside its fields."""

from fractions import Fraction

import pytest

from tests.strategies import profile


def test_it_iterates_its_layers() -> None:
    net = profile()
    assert [layer.path for layer in net] == ["", "stem", "body", "body.0", "body.1", "head"]
    assert len(net) == 6
    assert "body.0" in net
    assert "body.2" not in net


@pytest.mark.parametrize(("flops", "macs"), [(None, None), (0, 0), (4, 2), (5, Fraction(5, 2))])
def test_macs_are_half_of_the_flops(flops: int | None, macs: int | Fraction | None) -> None:
    net = profile({"head": ("Linear", 1, flops or 0)}, flops=flops)
    assert net.macs == macs
    if flops is not None:
        assert net["head"].macs == net[""].macs == macs
