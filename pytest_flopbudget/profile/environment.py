"""The environment of a measurement: what latency and memory depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What latency and memory depend on."""

    device: str  # its type: cpu, cuda, mps, ...
    hardware: str  # the CPU or GPU model
    cores: int  # that the process may use
    threads: int  # intra-op
    dtype: str
    compiled: bool
    torch: str  # major.minor

    @property
    def key(self) -> str:
        """Name the environment as baseline files do; the torch version is no part of it."""
        parts = [
            self.device,
            self.hardware,
            f"{self.cores} core{'s' * (self.cores != 1)}",
            f"{self.threads} thread{'s' * (self.threads != 1)}",
            self.dtype,
        ]
        return ", ".join(parts + ["compiled"] * self.compiled)
