"""The traffic of one call: what the operators moved in each layer itself, and how many did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LayerTraffic:
    """Bytes and operators, with an entry for each layer: what ran in the layer itself."""

    forward_bytes: list[int]
    backward_bytes: list[int]
    forward_operators: list[int]
    backward_operators: list[int]
    fusible_bytes: int = 0  # of the whole call, which a compiler could leave out

    @classmethod
    def of(cls, layers: int) -> LayerTraffic:
        """Return the traffic of a call in which nothing ran yet."""
        return cls([0] * layers, [0] * layers, [0] * layers, [0] * layers)

    def add(self, layer: int, nbytes: int, operators: int = 1, *, backward: bool) -> None:
        """Add what one operator moved, or several that are told together."""
        if backward:
            self.backward_bytes[layer] += nbytes
            self.backward_operators[layer] += operators
        else:
            self.forward_bytes[layer] += nbytes
            self.forward_operators[layer] += operators
