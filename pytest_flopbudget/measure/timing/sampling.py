"""The sample of timed rounds: how many are enough, and what they say. Nothing is timed in here.

Noise on a computer is one-sided: whatever else runs can only add time to a round. So the fastest
rounds show the model, a value within its budget is within it, and one over it may still come down.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles

RANK = 3  # of the representative round: the third fastest, since one or two may be flukes
ENOUGH_ROUNDS = 5  # that a value within its budget needs
WAITED_SHARE = 0.02  # of an uncontended round that was spent waiting for a core, at the most
UNCONTENDED_SHARE = 0.25  # of the rounds, at the least: the others slow down these as well
MOST_ROUNDS = 100_000  # 3 s of the smallest models are 40,000
CLOSE = 0.05  # a value over its budget by no more than this gets all the time there is

# Shares of the time limit.
SETTLED_FROM, SETTLED_BY = 0.2, 0.4  # when a value to store may, and must, be good enough
CONFIRMED_FROM = 0.3  # when a value over its budget may be believed
DECIDED_BY = 0.75  # when rounds end, whatever they say
STEADY = 0.01  # a value that the second half of its rounds moved by no more than this is settled


@dataclass(frozen=True)
class Round:
    """One timed call, in nanoseconds."""

    forward_ns: int
    backward_ns: int = 0
    waited_ns: int = 0  # of it, for a core of the CPU

    @property
    def total_ns(self) -> int:
        """Forward and backward together."""
        return self.forward_ns + self.backward_ns

    @property
    def uncontended(self) -> bool:
        """Whether the round had a core for itself."""
        return self.waited_ns <= WAITED_SHARE * self.total_ns


class Sample:
    """The rounds of one model, in the order in which they ran."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self.uncontended = 0
        self._fastest: list[Round] = []  # of which the last is representative
        self._values_ns: list[int] = []  # of the latency, after each round

    def add(self, one: Round) -> None:
        """Add one more round."""
        self.rounds.append(one)
        self.uncontended += one.uncontended
        self._fastest = sorted([*self._fastest, one], key=lambda r: r.total_ns)[:RANK]
        self._values_ns.append(self.representative.total_ns)

    @property
    def representative(self) -> Round:
        """The round whose time is the latency: the third fastest, or the slowest of fewer."""
        return self._fastest[-1]

    @property
    def value_ns(self) -> int:
        """The latency, as far as is known."""
        return self._values_ns[-1]

    @property
    def median_ns(self) -> float:
        """The median round."""
        return median(one.total_ns for one in self.rounds)

    @property
    def spread_ns(self) -> float:
        """The distance between the quartiles; 0 for one round."""
        if len(self.rounds) == 1:
            return 0.0
        first, _, third = quantiles([one.total_ns for one in self.rounds], n=4)
        return third - first

    @property
    def was_uncontended(self) -> bool:
        """Whether enough rounds were uncontended to believe that the model is no faster.

        On a machine that is busy all the time even the few rounds that waited for no core are
        slow: others have emptied the caches and use the memory.
        """
        return self.uncontended >= max(RANK, UNCONTENDED_SHARE * len(self.rounds))

    def is_settled(self) -> bool:
        """Return whether the second half of the rounds found nothing that is faster."""
        rounds = len(self.rounds)
        if rounds < 2 * ENOUGH_ROUNDS or not self.was_uncontended:
            return False
        before = self._values_ns[rounds // 2 - 1]
        return before - self.value_ns <= STEADY * before


def is_enough(
    sample: Sample, budget_ns: float | None, spent: float, *, may_be_stored: bool
) -> bool:
    """Return whether no more rounds are needed.

    Args:
        sample: at least one round.
        budget_ns: the largest value that passes, `None` if there is none.
        spent: share of the time limit.
        may_be_stored: whether the value may become a baseline, and must be good even if it passes.
    """
    if spent >= DECIDED_BY or len(sample.rounds) >= MOST_ROUNDS:
        return True
    if may_be_stored or budget_ns is None:
        settled = spent >= SETTLED_FROM and sample.is_settled()
        if not settled and (spent < SETTLED_BY or not sample.was_uncontended):
            return False
    if budget_ns is None:
        return True
    if sample.value_ns <= budget_ns:
        return len(sample.rounds) >= ENOUGH_ROUNDS
    clearly = sample.value_ns > budget_ns * (1 + CLOSE)
    return clearly and spent >= CONFIRMED_FROM and sample.was_uncontended


def unreliable_reason(sample: Sample, limit_ns: float) -> str:
    """Return why a value over its budget is not to be believed; empty if it is."""
    rounds = len(sample.rounds)
    if sample.value_ns > limit_ns:
        seconds = f"{sample.value_ns / 1e9:,.1f} s"
        return f"one call takes {seconds}, longer than the time limit of {limit_ns / 1e9:g} s"
    if rounds < RANK:
        limit = f"the time limit of {limit_ns / 1e9:g} s"
        return f"no more than {rounds} of {RANK} rounds fit into {limit}"
    if not sample.was_uncontended:
        return f"the machine was busy: {sample.uncontended} of {rounds} rounds were uncontended"
    return ""
