"""The holder of the lock: which process times a model now, in which test, and whether it runs."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_flopbudget.escaping import visible

PROCESSES = Path("/proc")
MOST_BYTES = 10_000
RUNNING, STOPPED, DEAD = "R", "T", "X"  # as Linux calls the states of a process


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that times a model."""

    pid: int
    place: str  # where this number is that of the process: a machine, or a container on it
    test: str  # empty outside of a test

    @classmethod
    def here(cls) -> Holder:
        """Return this process, and the test that pytest runs in it."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
        return cls(pid=os.getpid(), place=_place(), test=test)

    @classmethod
    def read(cls, file: Path) -> Holder | None:
        """Return the holder that a file names, if it names one."""
        try:
            with file.open("rb") as stream:
                known = json.loads(stream.read(MOST_BYTES))
            return cls(pid=int(known["pid"]), place=str(known["place"]), test=str(known["test"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, file: Path) -> None:
        """Name this holder in a file, in the place of the one before; no link is followed."""
        with suppress(OSError):
            file.unlink(missing_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                json.dump(asdict(self), stream)

    def remove(self, file: Path) -> None:
        """Remove the file, if it still names this holder."""
        with suppress(OSError):
            if Holder.read(file) == self:
                file.unlink()

    @property
    def text(self) -> str:
        """The holder as a message names it."""
        return f"process {self.pid}" + (f" (`{visible(self.test)}`)" if self.test else "")

    def is_idle(self, processes: Path = PROCESSES) -> bool:
        """Return whether the process is stopped or dead, as far as this one can tell."""
        return self.place == _place() and _state(self.pid, processes) in (STOPPED, DEAD)


def _place() -> str:
    """Name this machine, and the namespace in which its processes have their numbers."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{platform.node()} {namespace}".strip()


def _state(pid: int, processes: Path) -> str:
    """Return the state of a process; where the system does not tell it, all processes run."""
    try:
        return (processes / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return DEAD if (processes / "self").exists() else RUNNING
    except (OSError, IndexError):
        return RUNNING
