"""`WandbCallback`: log trials as runs of Weights & Biases, in a group for the experiment."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retiarii.errors import ConfigError
from retiarii.experiment._trackers.ended_trials import EndedTrials
from retiarii.experiment._trackers.name_rule import NameRule, cut, plain_value
from retiarii.experiment._trackers.tracker import Tracker, experiment_facts, failure_text
from retiarii.trial import Metrics, Trial

if TYPE_CHECKING:
    from retiarii.storage import ExperimentRecord

# W&B cannot filter by names with other characters. Names that begin with an underscore are its own.
_NAMES = NameRule(forbidden=r"[^A-Za-z0-9_./ -]|^[^A-Za-z]", max_length=128)
_MAX_TEXT = 30_000
_MAX_NAME = 128
_MODES = ("online", "offline", "disabled")


class WandbCallback(Tracker):
    """Logs trials to Weights & Biases: a group with a run for the experiment, and a run for each trial.

    The run of the experiment (job type ``experiment``) has the best metric so far over the number of ended trials, and
    the epochs of a supernet. The run of a trial (job type ``trial``) has its choices as config, its intermediate
    results as ``intermediate/METRIC``, and in its summary the final metrics as ``final/METRIC``, ``state`` and
    ``failure``. Needs the package ``wandb``.

    ::

        RetiariiExperiment(model, evaluator, callbacks=[WandbCallback("digits")])

    Names with characters that W&B cannot filter by get ``_`` in their place and a hash at the end. Texts that are too
    long lose their beginning. Ids of runs follow from the experiment's id, so a resume goes on in the same runs; in
    offline mode it writes further folders of these runs, which ``wandb sync`` uploads in the order of their start.

    Args:
        project: The project.
        entity: The user or team; None for your default one.
        folder: The folder for local files, in which W&B makes a folder ``wandb``.
        mode: ``"online"``, ``"offline"`` (upload later with ``wandb sync``) or ``"disabled"``; None for ``WANDB_MODE``.
        settings: Further settings of `wandb.Settings`, by name.
        strict: Whether an error, such as a server that does not answer, ends the search; else a warning is logged once.

    Raises:
        MissingExtraError: W&B is not installed.
        ConfigError: ``mode`` is not one of these.
    """

    tool, package = "Weights & Biases", "wandb"

    def __init__(
        self,
        project: str = "retiarii",
        *,
        entity: str | None = None,
        folder: str | Path = ".",
        mode: str | None = None,
        settings: Mapping[str, Any] | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(strict=strict)
        if mode is not None and mode not in _MODES:
            raise ConfigError(f"mode is {mode!r}, expected one of {', '.join(map(repr, _MODES))}, or None.")
        self._project, self._entity, self._mode = project, entity, mode
        self._folder = Path(folder).absolute()
        # Without these, W&B writes lines for each run, captures the output of the script, and measures the machine.
        self._settings = {"silent": True, "console": "off", "x_disable_stats": True, **(settings or {})}
        self._runs: dict[int, Any] = {}

    @property
    def place(self) -> str:
        """The project, and the local folder."""
        return f"the project {self._project!r} and the folder {self._folder}"

    def _prepare(self) -> None:
        import wandb

        if not self._is_offline and not wandb.login():  # asks for the key on a terminal
            raise PermissionError("nobody is logged in: run `wandb login`, or choose mode='offline'")

    def _open(self, experiment: ExperimentRecord) -> Collection[int]:
        self._experiment_id = experiment.id
        self._group = f"{cut(experiment.name or 'experiment', _MAX_NAME - len(experiment.id) - 1)}-{experiment.id}"
        self._runs = {}
        folder = self._folder / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        self._ended = EndedTrials(folder / f"retiarii-{experiment.id}.txt")
        self._run = self._new_run(experiment.id, experiment.name or experiment.id, "experiment")
        self._run.config.update(experiment_facts(experiment), allow_val_change=True)
        self._run.define_metric("best/*", step_metric="ended trials")
        self._run.define_metric("supernet/*", step_metric="epoch")
        return self._ended.numbers()

    def _start(self, trial: Trial) -> None:
        run = self._new_run(f"{self._experiment_id}-{trial.number}", f"trial {trial.number}", "trial")
        self._runs[trial.number] = run
        choices = {**trial.architecture, **trial.fidelity}
        run.config.update({_NAMES.allowed(label): plain_value(value) for label, value in choices.items()})

    def _report(self, trial: Trial, step: int, metrics: Metrics) -> None:
        self._runs[trial.number].log(_named("intermediate", metrics), step=step)

    def _end(self, trial: Trial) -> None:
        run = self._runs.pop(trial.number)
        reason = failure_text(trial)
        summary: dict[str, Any] = {**_named("final", trial.metrics or {}), "state": trial.state.value}
        run.summary.update({**summary, "failure": cut(reason, _MAX_TEXT)} if reason else summary)
        run.finish(exit_code=0 if trial.failure is None else 1)
        self._ended.add(trial.number)

    def _log_curves(self, group: str, step: int, values: Mapping[str, float]) -> None:
        axis = "ended trials" if group == "best" else "epoch"
        self._run.log({**_named(group, values), axis: step})

    def _close(self, state: str, message: str, best: Trial | None) -> None:
        for run in self._runs.values():
            run.summary.update({"state": "interrupted"})
        summary = {"state": state, "message": cut(message, _MAX_TEXT)}
        self._run.summary.update(summary if best is None else {**summary, "best_trial": best.number})
        for run in (*self._runs.values(), self._run):
            run.finish(exit_code=1 if state == "failed" or run is not self._run else 0)

    def _new_run(self, run_id: str, name: str, job_type: str) -> Any:
        import wandb

        # Without resume, W&B replaces what an interrupted run of the trial logged; the experiment's curves go on.
        online_resume = "allow" if job_type == "experiment" and not self._is_offline else None
        options: dict[str, Any] = {
            "project": self._project,
            "entity": self._entity,
            "dir": str(self._folder),
            "id": run_id,
            "name": cut(name, _MAX_NAME),
            "group": self._group,
            "job_type": job_type,
            "mode": self._mode,
            "resume": online_resume,
            "reinit": "create_new",
        }
        return wandb.init(**options, settings=wandb.Settings(**self._settings))

    @property
    def _is_offline(self) -> bool:
        return (self._mode or os.environ.get("WANDB_MODE", "online")) != "online"


def _named(group: str, values: Mapping[str, float]) -> dict[str, float]:
    return {_NAMES.allowed(f"{group}/{name}"): value for name, value in values.items()}
