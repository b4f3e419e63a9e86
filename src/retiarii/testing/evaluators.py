"""`EvaluatorConformance`: conformance tests of evaluators, as a test class to inherit from.

::

    class TestMyEvaluator(EvaluatorConformance):
        fidelity = "epochs"

        @pytest.fixture
        def evaluator(self):
            return MyEvaluator(learning_rate=0.1)

        @pytest.fixture
        def base_model(self):
            return Net()  # or a search space, if the evaluator measures architectures
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from retiarii.evaluator import Evaluator, dumps, loads
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment, debug_mutated_model
from retiarii.testing._extra import pytest
from retiarii.testing._planned import Planned
from retiarii.trial import DEFAULT, FULL, Fidelity, Metrics, Trial, TrialState

_REASON = "the first report is enough"


class EvaluatorConformance:
    """The contract of `Evaluator`. A subclass supplies the fixtures ``evaluator`` and ``base_model``.

    Attributes:
        objectives: The metrics by which trials are compared, with their directions.
        fidelity: The name of a fidelity that the evaluator supports; None if it supports none.
        amounts: Two amounts of this fidelity, the smaller one first.
        continues: Whether a trial continues from files of its parent, or needs only its fidelity.
        varying: The names of metrics that differ from run to run, such as times.
    """

    objectives: Mapping[str, str] = MappingProxyType({DEFAULT: "maximize"})
    fidelity: str | None = None
    amounts: tuple[float, float] = (1, 2)
    continues: bool = True
    varying: Collection[str] = ()

    @pytest.fixture
    def evaluator(self) -> Evaluator:
        """Return a new evaluator; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `evaluator`")

    @pytest.fixture
    def base_model(self) -> Any:
        """Return a model with choices, or a search space; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `base_model`")

    # One evaluation

    def test_metrics_are_named_numbers(self, evaluator: Evaluator, base_model: Any, tmp_path: Path) -> None:
        """A trial completes, and has all metrics of the objectives."""
        [trial] = self._run(evaluator, base_model, tmp_path, [(FULL, None)])
        assert trial.state is TrialState.COMPLETED, trial.failure
        assert trial.metrics
        assert set(self.objectives) <= set(trial.metrics)

    def test_the_same_seed_gives_the_same_numbers(self, evaluator: Evaluator, base_model: Any) -> None:
        """An evaluation changes neither evaluator nor model, and draws from seeded generators only."""
        first, second = (debug_mutated_model(base_model, evaluator, seed=5) for _ in range(2))
        assert self._steady(first) == self._steady(second)

    def test_it_travels_to_another_process(self, evaluator: Evaluator, base_model: Any) -> None:
        """A pickled copy of the evaluator gives the same numbers."""
        copy = loads(dumps(evaluator, "evaluator"))
        assert self._steady(debug_mutated_model(base_model, copy, seed=5)) == self._steady(
            debug_mutated_model(base_model, evaluator, seed=5)
        )

    def test_isolated_trials_have_the_numbers_of_those_in_this_process(
        self, evaluator: Evaluator, base_model: Any, tmp_path: Path
    ) -> None:
        """An evaluation needs nothing that exists only in the process of the script."""
        here, isolated = (
            self._run(evaluator, base_model, tmp_path / platform, [(FULL, None)], platform)[0]
            for platform in ("in_process", "local")
        )
        assert isolated.state is here.state is TrialState.COMPLETED, isolated.failure
        assert self._steady(isolated.metrics) == self._steady(here.metrics)
        assert [self._steady(metrics) for metrics in isolated.intermediates] == [
            self._steady(metrics) for metrics in here.intermediates
        ]

    # The end of a trial

    def test_a_trial_that_is_to_end_ends_at_its_report(
        self, evaluator: Evaluator, base_model: Any, tmp_path: Path
    ) -> None:
        """The evaluator does not catch `TrialPruned`; an evaluation that never reports is never ended."""

        class EndsAll(Callback):
            prunes = True

            def should_prune(self, trial: Trial) -> str:
                return _REASON

        [trial] = self._run(evaluator, base_model, tmp_path, [(FULL, None)], callbacks=[EndsAll()])
        assert len(trial.intermediates) <= 1
        if trial.intermediates:
            assert (trial.state, trial.reason) == (TrialState.PRUNED, _REASON)
        else:
            assert trial.state is TrialState.COMPLETED

    # Fidelities

    def test_its_fidelities_are_names(self, evaluator: Evaluator) -> None:
        """``fidelities`` is a collection of texts, or None for any."""
        names = evaluator.fidelities
        if names is None:
            return
        assert not isinstance(names, str)
        assert all(isinstance(name, str) and name for name in names)
        assert self.fidelity is None or self.fidelity in names

    def test_a_trial_in_parts_has_the_numbers_of_one_at_once(
        self, evaluator: Evaluator, base_model: Any, tmp_path: Path
    ) -> None:
        """The fidelity includes that of the parent; two trials in sequence give the same results as a single one."""
        little, much = self._little_and_much()
        [whole] = self._run(evaluator, base_model, tmp_path / "whole", [(much, None)])
        first, second = self._run(evaluator, base_model, tmp_path / "parts", [(little, None), (much, 0)])
        assert {trial.state for trial in (whole, first, second)} == {TrialState.COMPLETED}, second.failure
        assert self._steady(second.metrics) == self._steady(whole.metrics)
        if self.continues:
            assert len(first.intermediates) + len(second.intermediates) == len(whole.intermediates)

    def test_a_trial_whose_parent_left_nothing_does_not_start_anew(
        self, evaluator: Evaluator, base_model: Any, tmp_path: Path
    ) -> None:
        """The trial fails: with new weights, it would get less training than its fidelity says."""
        if not self.continues:
            pytest.skip("it needs no files of the parent")
        little, much = self._little_and_much()

        class Removes(Callback):
            def on_trial_end(self, trial: Trial) -> None:
                shutil.rmtree(experiment.directory / "trials" / "0", ignore_errors=True)

        experiment = self._made(evaluator, base_model, [(little, None), (much, 0)], [Removes()])
        experiment.run(self._config(tmp_path, "in_process"))
        parent, orphan = experiment.trials()
        assert parent.state is TrialState.COMPLETED, parent.failure
        assert orphan.state is TrialState.FAILED
        assert orphan.failure is not None
        assert orphan.failure.message

    # Running

    def _little_and_much(self) -> tuple[Fidelity, Fidelity]:
        if self.fidelity is None:
            pytest.skip("it heeds no fidelity")
        little, much = self.amounts
        return Fidelity({self.fidelity: little}), Fidelity({self.fidelity: much})

    def _steady(self, metrics: Metrics | None) -> Metrics:
        return {name: value for name, value in (metrics or {}).items() if name not in self.varying}

    def _made(
        self,
        evaluator: Evaluator,
        base_model: Any,
        parts: Sequence[tuple[Fidelity, int | None]],
        callbacks: Sequence[Callback] = (),
    ) -> RetiariiExperiment:
        return RetiariiExperiment(base_model, evaluator, [], Planned(parts), callbacks=callbacks)

    def _config(self, folder: Path, platform: str) -> RetiariiExeConfig:
        return RetiariiExeConfig(
            platform, progress=False, seed=3, storage=folder / "store.db", objectives=dict(self.objectives)
        )

    def _run(
        self,
        evaluator: Evaluator,
        base_model: Any,
        folder: Path,
        parts: Sequence[tuple[Fidelity, int | None]],
        platform: str = "in_process",
        callbacks: Sequence[Callback] = (),
    ) -> list[Trial]:
        experiment = self._made(evaluator, base_model, parts, callbacks)
        experiment.run(self._config(folder, platform))
        return experiment.trials()
