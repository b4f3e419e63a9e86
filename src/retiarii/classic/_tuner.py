"""`Tuner`: NNI's interface for objects that propose parameters."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

_logger = logging.getLogger(__name__)


class NoMoreTrialError(Exception):
    """A tuner has no more parameters to propose; raised by `Tuner.generate_parameters`."""


class Tuner(ABC):
    """Proposes the parameters of trials and learns from their results.

    Subclasses implement `update_search_space`, `generate_parameters` and `receive_trial_result`, as for NNI. An
    experiment takes one as ``strategy=TunerStrategy(tuner, description)``, and a configuration file names it with
    ``codeDir``, ``classFileName`` and ``className``.
    """

    @abstractmethod
    def update_search_space(self, search_space: dict[str, Any]) -> None:
        """Learn the search space, before anything is proposed.

        Args:
            search_space: The content of the search-space file, see `retiarii.classic.ParameterSpace`.
        """

    @abstractmethod
    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters of the next trial.

        Args:
            parameter_id: The number of the trial.
            **kwargs: Not used at present.

        Raises:
            NoMoreTrialError: There are no more parameters.
        """

    def generate_multiple_parameters(self, parameter_id_list: Sequence[int], **kwargs: Any) -> list[dict[str, Any]]:
        """Return the parameters of several trials; fewer if `generate_parameters` has no more.

        Args:
            parameter_id_list: The numbers of the trials.
            **kwargs: Passed to `generate_parameters`.
        """
        proposed = []
        for parameter_id in parameter_id_list:
            try:
                proposed.append(self.generate_parameters(parameter_id, **kwargs))
            except NoMoreTrialError:
                break
        return proposed

    @abstractmethod
    def receive_trial_result(self, parameter_id: int, parameters: dict[str, Any], value: Any, **kwargs: Any) -> None:
        """Learn the final result of a trial.

        Args:
            parameter_id: The number of the trial.
            parameters: Its parameters.
            value: The final metric as it was reported: a number, or a mapping with ``"default"``.
            **kwargs: ``customized``, whether this tuner did not generate the parameters: after a resume, trials that
                had been interrupted run again.
        """

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:  # noqa: B027 - optional
        """Learn that a trial has ended.

        Args:
            parameter_id: The number of the trial.
            success: Whether it has a result.
            **kwargs: Not used at present.
        """

    def import_data(self, data: Sequence[Mapping[str, Any]]) -> None:
        """Learn the earlier results of a resumed experiment. The default logs that they are not used.

        Args:
            data: The trials, in the order in which they ended: ``{"parameter": {...}, "value": 0.93}``.
        """
        _logger.warning(
            "%s has no import_data(): it does not know the %d trial(s) that ended before the experiment was resumed.",
            type(self).__name__,
            len(data),
        )
