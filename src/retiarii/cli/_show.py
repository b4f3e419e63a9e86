"""``retiarii show``: show one experiment, or one trial of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType

from retiarii._counted import counted
from retiarii._readable import age_text, duration_text, moment_text, number_text, size_text
from retiarii.cli._json_output import experiment_json, print_json, reason_json, seen_counts, shown_state, trial_json
from retiarii.cli._show_supernet import epoch_json, supernet_section
from retiarii.cli._show_trial import print_trial
from retiarii.cli._store_access import IdArgument, JsonOption, StorageOption, at_least, found
from retiarii.cli._text import LABEL_STYLE, STATE_STYLES, architecture_text, console, failure_text, heading, plain_table
from retiarii.space import SearchSpace
from retiarii.terminal import joined, plain, shortened, visible_line
from retiarii.trial import DEFAULT, TrialState, pareto_front

if TYPE_CHECKING:
    from retiarii.storage import ExperimentRecord, FailureReason, Store
    from retiarii.trial import Trial, TrialFiles

_MAX_REASONS = 8
_MAX_FRONT = 20


def show(
    experiment_id: IdArgument,
    top_k: Annotated[
        int, typer.Option("--top-k", parser=at_least(0), metavar="N", help="How many of the best trials.")
    ] = 5,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial",
            parser=at_least(0),
            metavar="N",
            help="Show this trial in full instead: traceback, output, all metrics.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow the experiment live, until it ends or Ctrl-C.")
    ] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an experiment: its space, supernet, best trials, running trials, and the reasons of failures.

    Works while the experiment runs. With --watch, the exit code is 1 if the experiment failed or was killed.
    """
    if watch and (as_json or trial is not None):
        raise typer.BadParameter(f"--watch does not go with {'--json' if as_json else '--trial'}.")
    with found(storage, experiment_id) as (store, record):
        if watch:
            from retiarii.cli._watch import watch as follow  # numpy takes a tenth of a second

            raise typer.Exit(follow(store, record.id))
        if trial is not None:
            chosen = store.get_trial(record.id, trial).seen(is_running=store.is_running(record.id))
            files = store.trial_files(record.id)
            if as_json:
                print_json(trial_json(chosen, in_full=True, files=files))
            else:
                print_trial(chosen, console(), files.kept(chosen.number))
        elif as_json:
            print_json(_json(store, record, top_k))
        else:
            _print(store, record, top_k, console())


def _json(store: Store, record: ExperimentRecord, top_k: int) -> dict[str, object]:
    files = store.trial_files(record.id)
    is_running = store.is_running(record.id)
    unfinished = store.list_trials(record.id, states=[TrialState.RUNNING])
    return {
        **experiment_json(store, record),
        "config": record.config,
        "space": record.space,
        "top": [trial_json(trial, files=files) for trial in store.best_trials(record.id, top_k)],
        "running": [trial_json(trial) for trial in unfinished if is_running],
        "interrupted": [trial_json(trial.seen(is_running=False)) for trial in unfinished if not is_running],
        "epochs": [epoch_json(epoch) for epoch in store.list_epochs(record.id)],
        "failures": [reason_json(reason) for reason in store.failure_reasons(record.id)],
    }


def _print(store: Store, record: ExperimentRecord, top_k: int, out: Console) -> None:
    best = store.best_trials(record.id, top_k)
    running = store.list_trials(record.id, states=[TrialState.RUNNING])
    reasons = store.failure_reasons(record.id)
    is_running = store.is_running(record.id)
    out.print(_header(store, record, is_running=is_running))
    if record.space:
        _print_space(record, out)
    sections: list[RenderableType] = []
    epochs = store.list_epochs(record.id)
    if epochs:
        sections.append(supernet_section(epochs, best[0].architecture if best else None))
    if best:
        sections.append(_ranked("Best trials", best, record))
    if len(record.objectives) > 1 and best:
        front = pareto_front(store.iter_trials(record.id, states=[TrialState.COMPLETED]), record.objectives)
        sections.append(_ranked(f"Pareto front ({counted(len(front), 'trial')})", front[:_MAX_FRONT], record))
    if running:
        sections.append(_running(running, _now(record), is_running=is_running))
    if reasons:
        sections.append(_failures(reasons, store.command(f"show {record.id} --trial {reasons[0].example}")))
    for section in sections:
        out.print()
        out.print(section)


def _header(store: Store, record: ExperimentRecord, *, is_running: bool) -> RenderableType:
    state = shown_state(store, record)
    title = joined((visible_line(record.name or record.id), "bold"), "  ", (state, STATE_STYLES[state]))
    table = plain_table("", "")
    table.show_header = False
    table.columns[0].style = LABEL_STYLE
    rows = {
        "id": record.id,
        "strategy": f"{visible_line(record.strategy)}  ({_aim(record)}, seed {record.seed})",
        "trials": _counts(seen_counts(store, record)),
        "time": _times(record),
        "process": visible_line(f"{record.pid} on {record.host}") if is_running else "",
        "message": _message(record, state, store.command(f"resume {record.id}")),
        "kept in": visible_line(store.where),
        "weights": visible_line(_weights(store.trial_files(record.id))),
        "disk": _disk(store.trial_files(record.id)),
    }
    for name, text in rows.items():
        if text:
            table.add_row(name, plain(text))
    return Group(title, table)


def _aim(record: ExperimentRecord) -> str:
    is_plain = record.objectives.names == (DEFAULT,)
    return record.direction.value if is_plain else visible_line(str(record.objectives))


def _disk(files: TrialFiles) -> str:
    taken = files.size_bytes()
    return f"{size_text(taken)} of files of trials" if taken else ""


def _times(record: ExperimentRecord) -> str:
    times = f"created {moment_text(record.created)}, last change {age_text(record.updated)}"
    return f"{times}, ran for {duration_text(record.spent_s)}" if record.spent_s else times


def _weights(files: TrialFiles) -> str:
    kept = [(number, path) for number in files.numbers() if (path := files.checkpoint(number)) is not None]
    if len(kept) == 1:
        return f"of trial {kept[0][0]} in {kept[0][1]}"
    return f"of trials {', '.join(str(number) for number, _ in kept)} in {files.root}" if kept else ""


def _counts(counts: dict[TrialState, int]) -> str:
    order = (TrialState.COMPLETED, TrialState.PRUNED, TrialState.FAILED, TrialState.RUNNING, TrialState.INTERRUPTED)
    parts = [f"{counts[state]:,} {state.value}" for state in order if counts[state]]
    return ", ".join(parts) if parts else "none yet"


def _message(record: ExperimentRecord, state: str, resume: str) -> str:
    is_killed = state == "stopped" and record.state.value == "running"
    message = "its process ended unexpectedly (killed?)" if is_killed else _first_paragraph(record.message).rstrip(".")
    hint = f"go on with: {visible_line(resume)}" if state == "stopped" else ""
    return "; ".join(filter(None, [message, hint]))


def _first_paragraph(message: str) -> str:
    """Return a message without the traceback that may follow it; the section of failures shows where to find it."""
    return message.partition("\n\n")[0]


def _print_space(record: ExperimentRecord, out: Console) -> None:
    out.print()
    out.print(heading("Search space"))
    out.print(plain(SearchSpace.from_json(record.space).describe()), soft_wrap=True)


def _ranked(title: str, trials: list[Trial], record: ExperimentRecord) -> RenderableType:
    """Return a table of finished trials with all objectives, and with fidelities if there are any."""
    names = record.objectives.names
    shown = ("metric",) if names == (DEFAULT,) else tuple(visible_line(name) for name in names)
    given = ("given",) if any(trial.fidelity for trial in trials) else ()
    table = plain_table("trial", *shown, *given, "time", "architecture", right=("trial", *shown, "time"))
    for trial in trials:
        metrics = trial.metrics or {}
        table.add_row(
            str(trial.number),
            *(plain(number_text(metrics.get(name)), style="" if place else "bold") for place, name in enumerate(names)),
            *([plain(visible_line(str(trial.fidelity)))] if given else []),
            duration_text(trial.duration_s),
            plain(("" if trial.is_feasible else "(infeasible) ") + architecture_text(trial.architecture)),
        )
    return Group(heading(title), table)


def _now(record: ExperimentRecord) -> float:
    """Return the time on the clock of an experiment: of a simulated one, the last that it noted."""
    service = record.config.get("settings", {}).get("training_service", {})
    return record.spent_s if service.get("platform") == "simulated" else time.time()


def _running(running: list[Trial], now: float, *, is_running: bool) -> RenderableType:
    table = plain_table("trial", "since", "device", "last", "architecture", right=("trial", "since", "last"))
    for trial in running:
        last = trial.intermediates[-1].get(trial.objective) if trial.intermediates else None
        since = max(now - trial.started, 0.0) if trial.started is not None and is_running else None
        architecture = plain(architecture_text(trial.architecture))
        table.add_row(
            str(trial.number),
            duration_text(since),
            plain(visible_line(trial.device or "-")),
            number_text(last),
            architecture,
        )
    return Group(heading("Running" if is_running else "Interrupted (a resume runs them again)"), table)


def _failures(reasons: list[FailureReason], command: str) -> RenderableType:
    table = plain_table("times", "first", "why", right=("times", "first"))
    for reason in reasons[:_MAX_REASONS]:
        table.add_row(f"{reason.count:,}", str(reason.example), failure_text(reason.kind, shortened(reason.message)))
    hidden = len(reasons) - _MAX_REASONS
    more = f"{hidden} more reason{'s' if hidden > 1 else ''}. " if hidden > 0 else ""
    hint = f"{more}Traceback and output: {visible_line(command)}"
    return Group(heading("Failures"), table, plain(hint, style=LABEL_STYLE))
