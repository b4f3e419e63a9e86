"""Tuners as strategies, and strategies as tuners."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from retiarii.classic._parameter_space import ParameterSpace
from retiarii.classic._tuner import NoMoreTrialError, Tuner
from retiarii.errors import ArchitectureError, ConfigError, SearchError, SearchExhausted
from retiarii.space import Architecture, SearchSpace, plain_value
from retiarii.strategy import Search, Strategy
from retiarii.trial import DEFAULT, Direction, ObjectivesLike, Proposal, Trial, TrialState

_logger = logging.getLogger(__name__)


class TunerStrategy(Strategy):
    """A strategy that asks a `Tuner` of the user's.

    A tuner draws its own random numbers, so give it a seed of its own if runs have to be repeatable. When an experiment
    is resumed, `Tuner.import_data` is called with the trials that have ended before.

    Parameters that do not fit the search space make a failed trial, whose reason names what is wrong, and the search
    goes on.

    Args:
        tuner: The tuner. It serves one search.
        parameters: The search space in the tuner's format.

    Raises:
        ConfigError: ``tuner`` lacks a method of `Tuner`.
    """

    def __init__(self, tuner: Tuner, parameters: ParameterSpace | Mapping[str, Any]) -> None:
        for name in ("update_search_space", "generate_parameters", "receive_trial_result"):
            if not callable(getattr(tuner, name, None)):
                raise ConfigError(f"{type(tuner).__name__} has no method {name}(), which a tuner needs.")
        self.tuner = tuner
        self.parameters = parameters if isinstance(parameters, ParameterSpace) else ParameterSpace(parameters)

    def __repr__(self) -> str:
        return f"TunerStrategy({type(self.tuner).__name__})"

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> TunerSearch:
        """Start a search; see `Strategy.search`."""
        return TunerSearch(self, space, seed=seed, objectives=objectives)


class TunerSearch(Search):
    """A running search with the proposals of a tuner."""

    def __init__(
        self,
        options: TunerStrategy,
        space: SearchSpace,
        *,
        seed: int = 0,
        objectives: ObjectivesLike = Direction.MAXIMIZE,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._tuner, self._parameters = options.tuner, options.parameters
        self._name = type(options.tuner).__name__
        self._asked: dict[int, dict[str, Any]] = {}
        self._is_replaying = False
        self._is_exhausted = False
        self._tuner.update_search_space(self._parameters.description)

    def replay(self, asked: Sequence[Proposal], told: Sequence[Trial]) -> None:
        """Restore the state of a search; the tuner gets the results by `Tuner.import_data`."""
        self._is_replaying = True
        super().replay(asked, told)
        self._is_replaying = False
        data = [
            {"parameter": self._parameters.parameters(trial.architecture), "value": _value(trial)}
            for trial in told
            if trial.state is TrialState.COMPLETED
        ]
        if data:
            self._tuner.import_data(data)

    def _propose(self, number: int) -> Proposal | None:
        if self._is_exhausted:
            raise SearchExhausted("The tuner has no more parameters.")
        try:
            parameters = self._tuner.generate_parameters(number)
        except NoMoreTrialError as err:
            if self._pending:
                return None  # the tuner is asked again after their results, which it may be waiting for
            self._is_exhausted = True
            raise SearchExhausted(f"The tuner has no more parameters: {err}") from err
        try:
            architecture = self._architecture(parameters)
        except ArchitectureError as err:
            raise SearchError(f"{self._name} proposed {parameters!r}: {err}") from err
        self._asked[number] = parameters
        return Proposal(architecture)

    def _architecture(self, parameters: Any) -> Architecture:
        """Return what parameters stand for; where they do not fit, their values as they are, which fail in the trial.

        Raises:
            ArchitectureError: ``parameters`` is no mapping from names.
        """
        values = self._parameters.values(parameters)
        try:
            return self.space.architecture(values)
        except ArchitectureError as err:
            _logger.warning("%s proposed %r, and trial %d will fail: %s", self._name, parameters, self.num_asked, err)
            return Architecture({label: _storable(value) for label, value in values.items()})

    def _on_tell(self, trial: Trial) -> None:
        if self._is_replaying:
            return
        parameters = self._asked.pop(trial.number, None)
        if trial.state is TrialState.COMPLETED:
            is_of_earlier_run = parameters is None  # of a trial that was interrupted, and runs again after a resume
            if parameters is None:
                parameters = self._parameters.parameters(trial.architecture)
            self._tuner.receive_trial_result(trial.number, parameters, _value(trial), customized=is_of_earlier_run)
        end = getattr(self._tuner, "trial_end", None)
        if end is not None:
            end(trial.number, trial.state is TrialState.COMPLETED)


def _storable(value: Any) -> Any:
    """Return a value that an architecture can hold: its JSON text where it is nested."""
    try:
        return plain_value(value)
    except ValueError:
        return json.dumps(value, default=repr)


def _value(trial: Trial) -> Any:
    """Return the final metric as it was reported."""
    metrics = dict(trial.metrics or {})
    return metrics[DEFAULT] if set(metrics) == {DEFAULT} else metrics


class StrategyTuner(Tuner):
    """Any multi-trial strategy as a `Tuner`.

    Args:
        strategy: The strategy.
        optimize_mode: Whether larger or smaller metrics are better: ``"maximize"`` or ``"minimize"``.
        seed: The seed of the strategy's random numbers.
    """

    def __init__(self, strategy: Strategy, optimize_mode: str = "maximize", seed: int = 0) -> None:
        self._strategy, self._direction, self._seed = strategy, Direction(optimize_mode), seed
        self._parameters: ParameterSpace | None = None
        self._search: Search | None = None
        self._pending: dict[int, Proposal] = {}

    def update_search_space(self, search_space: dict[str, Any]) -> None:
        """Start a new search of this space."""
        self._parameters = ParameterSpace(search_space)
        self._search = self._strategy.search(self._parameters.space, seed=self._seed, objectives=self._direction)
        self._pending.clear()

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Return what the strategy proposes next.

        Raises:
            NoMoreTrialError: The strategy has nothing left to propose, or waits for results.
            SearchError: `update_search_space` was not called.
        """
        search, parameters = self._started()
        try:
            proposals = search.ask(1)
        except SearchExhausted as err:
            raise NoMoreTrialError(str(err)) from err
        if not proposals:
            raise NoMoreTrialError("The strategy waits for the results of what it has proposed.")
        self._pending[parameter_id] = proposals[0]
        return parameters.parameters(proposals[0].architecture)

    def receive_trial_result(self, parameter_id: int, parameters: dict[str, Any], value: Any, **kwargs: Any) -> None:
        """Tell the strategy a result; one that is ``customized`` is not used, see `Tuner.receive_trial_result`."""
        search, _ = self._started()
        if kwargs.get("customized"):
            return
        search.tell_metric(self._taken(parameter_id), value)

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """Tell the strategy that a trial has failed."""
        if not success and parameter_id in self._pending:
            self._started()[0].tell_metric(self._taken(parameter_id), None)

    def import_data(self, data: Sequence[Mapping[str, Any]]) -> None:
        """Let the strategy continue after earlier trials; see `Tuner.import_data`.

        Raises:
            SearchError: Parameters were generated already.
            ArchitectureError: A trial has parameters that do not fit the search space.
        """
        search, parameters = self._started()
        proposals = [Proposal(parameters.architecture(item["parameter"])) for item in data]
        search.replay(proposals, ())
        for proposal, item in zip(proposals, data, strict=True):
            search.tell_metric(proposal, item["value"])

    def _taken(self, parameter_id: int) -> Proposal:
        try:
            return self._pending.pop(parameter_id)
        except KeyError:
            raise SearchError(
                f"A result was received for parameters {parameter_id!r}, which were not generated or have one already."
            ) from None

    def _started(self) -> tuple[Search, ParameterSpace]:
        if self._search is None or self._parameters is None:
            raise SearchError("The tuner does not know the search space: call update_search_space() first.")
        return self._search, self._parameters
