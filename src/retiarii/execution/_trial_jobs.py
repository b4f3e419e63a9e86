"""`TrialJobs`: makes the jobs of the trials of one search, with their seeds and what they continue."""

from __future__ import annotations

from collections.abc import Sequence

from retiarii.execution._executor import TrialJob
from retiarii.space import rng_for
from retiarii.trial import FULL, Fidelity, Proposal, Trial


class TrialJobs:
    """Makes the jobs of the trials of one search.

    Args:
        seed: The seed of the search, from which the seeds of trials are derived.
        asked: The proposals of earlier runs of the search, by trial number.
        is_judged: See `TrialJob`.
    """

    def __init__(self, seed: int, asked: Sequence[Proposal] = (), *, is_judged: bool = False) -> None:
        self._seed, self._asked, self._is_judged = seed, asked, is_judged
        self._later: dict[int, tuple[Fidelity, int | None]] = {}  # fidelity and parent, of trials that have one

    def job(self, trial: Trial, *, goes_on: bool = False) -> TrialJob:
        """Return the job of a trial; the jobs of earlier trials must have been made before, or be of earlier runs.

        Args:
            trial: The trial.
            goes_on: Whether a simulation goes on in the middle of it, after its start and its reports so far.
        """
        number, parent = trial.number, trial.parent
        if trial.fidelity or parent is not None:
            self._later[number] = trial.fidelity, parent
        return TrialJob(
            number,
            trial.architecture,
            self._seed_of(number),
            fidelity=trial.fidelity,
            parent=parent,
            is_judged=self._is_judged,
            parent_fidelity=FULL if parent is None else self._of(parent)[0],
            origin_seed=None if parent is None else self._seed_of(self._origin_of(parent)),
            started=trial.started if goes_on else None,
            num_reported=len(trial.intermediates) if goes_on else 0,
        )

    def _seed_of(self, number: int) -> int:
        return int(rng_for(self._seed, number).random() * 2**32)

    def _origin_of(self, number: int) -> int:
        """Return the trial with which the training of a trial began."""
        while (parent := self._of(number)[1]) is not None:
            number = parent
        return number

    def _of(self, number: int) -> tuple[Fidelity, int | None]:
        if number < len(self._asked):
            proposal = self._asked[number]
            return proposal.fidelity, proposal.parent
        return self._later.get(number, (FULL, None))
