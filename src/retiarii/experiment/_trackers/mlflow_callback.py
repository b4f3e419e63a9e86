"""`MLflowCallback`: log trials as nested runs of MLflow."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from retiarii.experiment._trackers.name_rule import NameRule, batches, cut, value_text
from retiarii.experiment._trackers.tracker import Tracker, experiment_facts, failure_text
from retiarii.trial import Metrics, Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from retiarii.storage import ExperimentRecord

# The limits of mlflow.utils.validation 3.17, which servers apply; those on Windows forbid a colon, too.
_NAMES = NameRule(forbidden=r"[^/\w.\- ]|^/+|/+$|/(?=/)|(?:^|(?<=/))\.{1,2}(?=/|$)", max_length=250)
_MAX_PARAM = 6000
_MAX_TAG = 5000  # 8000 in new versions, 5000 in old ones
_PER_BATCH = 100

_EXPERIMENT_TAG, _TRIAL_TAG, _STATE_TAG = "retiarii.experiment", "retiarii.trial", "retiarii.state"
_OUTCOMES = {"completed": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_STATES = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MLflowCallback(Tracker):
    """Logs trials to MLflow: the experiment as a run, and each trial as a run nested in it.

    The run of the experiment has the strategy, the objectives and the seed as parameters, and as metrics the best so
    far (``best/METRIC`` over the number of ended trials) and the epochs of a supernet. The run of a trial has its
    choices as parameters, its intermediate results as ``intermediate/METRIC``, its final metrics as ``final/METRIC``,
    and the tags ``retiarii.state`` and ``retiarii.failure``; its status is *finished*, *failed*, or *killed* if it was
    pruned. Needs the package ``mlflow`` or ``mlflow-skinny``.

    ::

        RetiariiExperiment(model, evaluator, callbacks=[MLflowCallback("digits", "sqlite:///mlflow.db")])

    Names with characters that MLflow forbids get ``_`` in their place and a hash at the end. Texts that are too long
    lose their beginning.

    Args:
        experiment_name: The experiment of MLflow; it is created if missing.
        tracking_uri: The server or database, such as ``"http://localhost:5000"``; None for MLflow's own settings.
        strict: Whether an error, such as a server that does not answer, ends the search; else a warning is logged once.

    Raises:
        MissingExtraError: MLflow is not installed.
    """

    tool, package = "MLflow", "mlflow"

    def __init__(
        self, experiment_name: str = "retiarii", tracking_uri: str | None = None, *, strict: bool = False
    ) -> None:
        super().__init__(strict=strict)
        self._name, self._uri = experiment_name, tracking_uri
        self._runs: dict[int, str] = {}

    @property
    def place(self) -> str:
        """The server or database, and the experiment of MLflow."""
        return f"{_without_password(self._uri or 'the default place')}, experiment {self._name!r}"

    def _open(self, experiment: ExperimentRecord) -> Collection[int]:
        from mlflow import MlflowClient

        self._client: MlflowClient = MlflowClient(self._uri)
        found = self._client.get_experiment_by_name(self._name)
        self._parent_experiment = self._client.create_experiment(self._name) if found is None else found.experiment_id
        self._id, self._runs, ended, parent = experiment.id, {}, set(), None
        for run in self._found_runs(f"tags.`{_EXPERIMENT_TAG}` = '{experiment.id}'"):
            tags = run.data.tags
            if _TRIAL_TAG not in tags:
                parent = run.info.run_id
            elif tags.get(_STATE_TAG) in _OUTCOMES:
                ended.add(int(tags[_TRIAL_TAG]))
            else:
                self._client.delete_run(run.info.run_id)  # of a trial that was interrupted
        self._run = parent or self._new_run(experiment.name or experiment.id, experiment_facts(experiment), {})
        self._client.update_run(self._run, status="RUNNING")
        return ended

    def _start(self, trial: Trial) -> None:
        choices = {label: value_text(value) for label, value in {**trial.architecture, **trial.fidelity}.items()}
        tags = {"mlflow.parentRunId": self._run, _TRIAL_TAG: str(trial.number)}
        self._runs[trial.number] = self._new_run(f"trial {trial.number}", choices, tags, trial.started)

    def _report(self, trial: Trial, step: int, metrics: Metrics) -> None:
        self._log_metrics(self._runs[trial.number], "intermediate", step, metrics)

    def _end(self, trial: Trial) -> None:
        run = self._runs.pop(trial.number)
        self._log_metrics(run, "final", max(len(trial.intermediates) - 1, 0), trial.metrics or {})
        reason = failure_text(trial)
        if reason:
            self._client.set_tag(run, "retiarii.failure", cut(reason, _MAX_TAG))
        self._client.set_tag(run, _STATE_TAG, trial.state.value)  # last: a trial with this tag is not logged again
        self._client.set_terminated(run, _OUTCOMES[trial.state.value], _milliseconds(trial.ended))

    def _log_curves(self, group: str, step: int, values: Mapping[str, float]) -> None:
        self._log_metrics(self._run, group, step, values)

    def _close(self, state: str, message: str, best: Trial | None) -> None:
        for run in self._runs.values():
            self._client.set_tag(run, _STATE_TAG, "interrupted")
            self._client.set_terminated(run, "KILLED")
        self._client.set_tag(self._run, _STATE_TAG, state)
        self._client.set_tag(self._run, "retiarii.message", cut(message, _MAX_TAG))
        if best is not None:
            self._client.set_tag(self._run, "retiarii.best_trial", str(best.number))
        self._client.set_terminated(self._run, _STATES[state])

    def _found_runs(self, filter_string: str) -> Iterator[Any]:
        token: str | None = None
        while token != "":
            page = self._client.search_runs([self._parent_experiment], filter_string, page_token=token)
            yield from page
            token = page.token or ""

    def _new_run(
        self, name: str, params: Mapping[str, str], tags: Mapping[str, str], started: float | None = None
    ) -> str:
        """Create a run of this experiment; return its id."""
        from mlflow.entities import Param

        all_tags = {**tags, _EXPERIMENT_TAG: self._id}
        created = self._client.create_run(
            self._parent_experiment, start_time=_milliseconds(started), tags=all_tags, run_name=cut(name, 250)
        )
        run = str(created.info.run_id)
        for batch in batches(params.items(), _PER_BATCH):
            self._client.log_batch(
                run, params=[Param(_NAMES.allowed(name), cut(value, _MAX_PARAM)) for name, value in batch]
            )
        return run

    def _log_metrics(self, run: str, group: str, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        for batch in batches(values.items(), _PER_BATCH):
            metrics = [
                Metric(_NAMES.allowed(f"{group}/{name}"), value, int(time.time() * 1000), step) for name, value in batch
            ]
            self._client.log_batch(run, metrics=metrics)


def _milliseconds(moment: float | None) -> int:
    """Return a Unix time in milliseconds; the present for none, and for the start of a simulation."""
    return int((moment or time.time()) * 1000)


def _without_password(uri: str) -> str:
    scheme, mark, rest = uri.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
