"""`TensorBoardCallback`: log trials as event files of TensorBoard, without torch."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retiarii.experiment._trackers.ended_trials import EndedTrials
from retiarii.experiment._trackers.name_rule import NameRule, cut, plain_value
from retiarii.experiment._trackers.tracker import Tracker, experiment_facts, failure_text
from retiarii.trial import Metrics, Trial

if TYPE_CHECKING:
    from retiarii.storage import ExperimentRecord

_TAGS = NameRule(forbidden=r"[\x00-\x1f\x7f]", max_length=500)
_FOLDERS = NameRule(forbidden=r"[^A-Za-z0-9._ -]|^[. ]", max_length=80)
_EXPERIMENT = -1
_MAX_TEXT = 100_000
_OUTCOMES = {"completed": "STATUS_SUCCESS", "pruned": "STATUS_SUCCESS", "failed": "STATUS_FAILURE"}


class TensorBoardCallback(Tracker):
    """Logs trials for TensorBoard: ``tensorboard --logdir runs`` shows them.

    The experiment is the run ``NAME-ID``, with the best metric so far over the number of ended trials, and the epochs
    of a supernet. Each trial is a run ``NAME-ID/trial-N`` below it: its choices in the tab *HParams*, its intermediate
    results as curves ``intermediate/METRIC``, its final metrics as ``final/METRIC``, and its state and the reason of a
    failure as text. Needs the package ``tensorboard``; torch and TensorFlow are not imported.

    ::

        RetiariiExperiment(model, evaluator, callbacks=[TensorBoardCallback("runs")])

    Args:
        folder: The folder for all experiments, the ``--logdir`` of TensorBoard.
        strict: Whether an error, such as a full disk, ends the search; else a warning is logged once.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    tool, package = "TensorBoard", "tensorboard"

    def __init__(self, folder: str | Path = "runs", *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._folder = Path(folder).absolute()  # the script may change the current folder
        self._files: dict[int, EventFile] = {}  # of the experiment, under -1, and of the running trials

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def _open(self, experiment: ExperimentRecord) -> Collection[int]:
        self._root = self._folder / f"{_FOLDERS.allowed(experiment.name or 'experiment')}-{experiment.id}"
        self._files[_EXPERIMENT] = EventFile(self._root)
        self._ended = EndedTrials(self._root / "ended-trials.txt")
        logged = self._ended.numbers()
        if not logged:
            facts = experiment_facts(experiment)
            self._files[_EXPERIMENT].text("experiment", "\n".join(f"{name}: {value}" for name, value in facts.items()))
        return logged

    def _start(self, trial: Trial) -> None:
        folder = self._root / f"trial-{trial.number:05d}"
        for left in folder.glob("events.out.tfevents.*"):  # of a run of this trial that was interrupted
            left.unlink()
        self._files[trial.number] = EventFile(folder)
        self._files[trial.number].choices(trial)

    def _report(self, trial: Trial, step: int, metrics: Metrics) -> None:
        self._files[trial.number].scalars("intermediate", step, metrics)

    def _end(self, trial: Trial) -> None:
        with self._files.pop(trial.number) as file:
            file.scalars("final", max(len(trial.intermediates) - 1, 0), trial.metrics or {})
            file.text("state", "\n".join(filter(None, [trial.state.value, failure_text(trial)])))
            file.outcome(_OUTCOMES[trial.state.value])
        self._ended.add(trial.number)

    def _log_curves(self, group: str, step: int, values: Mapping[str, float]) -> None:
        self._files[_EXPERIMENT].scalars(group, step, values)

    def _close(self, state: str, message: str, best: Trial | None) -> None:
        found = "" if best is None else f"best: trial {best.number}, {best.metric:.6g}"
        self._files[_EXPERIMENT].text("state", "\n".join(filter(None, [f"{state}: {message}", found])))

    def _release(self) -> None:
        for file in self._files.values():
            with suppress(OSError):  # a full disk, which was complained about before
                file.close()
        self._files = {}


class EventFile:
    """A new event file of TensorBoard. Every method leaves whole records in it, which TensorBoard can read at once.

    Args:
        folder: The folder of the run; it is made if missing.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"  # TensorBoard reads files in the order of names
        self._records = RecordWriter((folder / name).open("xb"))
        self._event, self._summary = Event, Summary
        self._write(file_version="brain.Event:2")

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def scalars(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Write points of curves ``GROUP/NAME``."""
        points = [
            self._summary.Value(tag=_TAGS.allowed(f"{group}/{name}"), simple_value=value)
            for name, value in values.items()
        ]
        if points:
            self._write(step=step, summary=self._summary(value=points))

    def text(self, tag: str, text: str) -> None:
        """Write a text, which TensorBoard shows as it is."""
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.plugins.text import metadata

        # TensorBoard reads texts as Markdown; lines that begin with four spaces are shown as they are.
        shown = "\n".join(f"    {line}" for line in cut(text, _MAX_TEXT).splitlines())
        value = self._summary.Value(
            tag=tag,
            metadata=metadata.create_summary_metadata(display_name=tag, description=""),
            tensor=TensorProto(dtype="DT_STRING", string_val=[shown.encode()]),
        )
        self._write(summary=self._summary(value=[value]))

    def choices(self, trial: Trial) -> None:
        """Write the choices of a trial for the tab *HParams*."""
        from tensorboard.plugins.hparams import plugin_data_pb2

        start = plugin_data_pb2.SessionStartInfo(start_time_secs=trial.started or time.time())
        for label, value in {**trial.architecture, **trial.fidelity}.items():
            plain = plain_value(value)
            field = "bool_value" if plain is True or plain is False else "number_value"
            field = "string_value" if isinstance(plain, str) else field
            setattr(start.hparams[_TAGS.allowed(label)], field, plain)
        self._hparams("_hparams_/session_start_info", session_start_info=start)

    def outcome(self, status: str) -> None:
        """Write the end of a trial for the tab *HParams*."""
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

        end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value(status), end_time_secs=time.time())
        self._hparams("_hparams_/session_end_info", session_end_info=end)

    def _hparams(self, tag: str, **data: Any) -> None:
        from tensorboard.plugins.hparams import metadata, plugin_data_pb2

        value = self._summary.Value(
            tag=tag,
            metadata=metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**data)),
            tensor=metadata.NULL_TENSOR,
        )
        self._write(summary=self._summary(value=[value]))

    def _write(self, **parts: Any) -> None:
        event = self._event(wall_time=time.time(), **parts)
        self._records.write(event.SerializeToString())
        self._records.flush()
