"""The environment of a measurement: the machine and the settings that it depends on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine and the settings that latency and memory depend on."""

    device: str  # its type: cpu, cuda, mps, ...
    hardware: str  # the CPU or GPU model
    cores: int  # that the process may use
    threads: int  # intra-op
    torch: str  # major.minor
    python: str  # major.minor

    @property
    def key(self) -> str:
        """The name of the environment in baseline files; no version is in it."""
        parts = [
            self.device,
            self.hardware,
            f"{self.cores} core{'s' * (self.cores != 1)}",
            f"{self.threads} thread{'s' * (self.threads != 1)}",
        ]
        return ", ".join(parts)

    @property
    def text(self) -> str:
        """The environment as reports show it, with the torch version."""
        return f"{self.key}, torch {self.torch}"
