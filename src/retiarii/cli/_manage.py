"""``retiarii stop`` and ``retiarii delete``: stop and delete experiments."""

from __future__ import annotations

from typing import Annotated

import typer

from retiarii._counted import counted
from retiarii.cli._json_output import shown_state
from retiarii.cli._store_access import IdArgument, StorageOption, found, opened
from retiarii.cli._text import console
from retiarii.errors import CorruptStoreError, ExperimentBusyError, ExperimentError
from retiarii.terminal import plain, visible_line


def stop(experiment_id: IdArgument, storage: StorageOption = None) -> None:
    """Ask a running experiment to stop after its running trials. It can be resumed.

    Raises:
        ExperimentError: It is not running.
    """
    with found(storage, experiment_id) as (store, record):
        if not store.is_running(record.id):
            raise ExperimentError(
                f"Experiment {record.id!r} is not running (it is {shown_state(store, record)}), so there is nothing to "
                "stop."
            )
        store.request_stop(record.id)
    resume = store.command(f"resume {record.id}")
    owner = visible_line(f"process {record.pid} on {record.host}")
    console().print(
        plain(
            f"Asked {record.id} ({owner}) to stop after its running trials.\nGo on later with: {visible_line(resume)}"
        ),
        soft_wrap=True,
    )


def delete(
    experiment_id: IdArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: StorageOption = None,
) -> None:
    """Delete an experiment with its trials and files, for good.

    Raises:
        ExperimentBusyError: It is running.
    """
    with opened(storage) as store:
        try:
            record = store.find_experiment(experiment_id)
        except CorruptStoreError:  # only the id is needed, which the store checks
            whole_id, name = experiment_id, "damaged"
        else:
            whole_id, name = record.id, record.name or "no name"
        if store.is_running(whole_id):
            raise ExperimentBusyError(f"Experiment {whole_id!r} is running. Stop it first: retiarii stop {whole_id}")
        trials = sum(store.count_trials(whole_id).values())
        what = f"experiment {visible_line(whole_id)} ({visible_line(name)}, {counted(trials, 'trial')})"
        if not yes:
            typer.confirm(f"Delete {what} for good?", abort=True)
        store.delete_experiment(whole_id)
    console().print(plain(f"Deleted {what}."), soft_wrap=True)
