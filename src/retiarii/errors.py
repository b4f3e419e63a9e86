"""Every exception that retiarii raises on purpose, in one tree.

::

    RetiariiError
    ├── SpaceError (ValueError)                a search space is declared wrongly
    │   ├── DomainError                        a choice has empty, duplicate or impossible candidates
    │   ├── LabelConflictError                 one label, two domains
    │   ├── ConstraintError                    no architecture was found that meets the constraints
    │   └── UnknownInputsError                 an ``InputChoice`` does not know its number of inputs yet
    ├── ChoiceMisuseError (TypeError)          a choice was used where a plain value is needed
    ├── ArchitectureError (ValueError)         an architecture does not fit its search space
    ├── FreezeError                            a model cannot be fixed to an architecture
    ├── NoContextError                         a context that is needed is missing
    ├── SearchExhausted                        a strategy has nothing left to propose
    ├── SearchError (ValueError)               a search got an impossible request or result
    ├── EvaluatorError                         an evaluator is declared or used wrongly
    │   ├── MetricError (ValueError)           a metric is missing or is not a number
    │   ├── ArgumentError (TypeError)          an evaluator has no such argument
    │   └── SerializationError (TypeError)     an object cannot be sent to another process
    ├── ExecutionError                         the executor failed, so that trials cannot run
    ├── ConfigError (ValueError)               a setting has an unknown name or an impossible value
    ├── RecordError (ValueError)               the data of a trial or an experiment cannot be read
    ├── ExperimentError                        an experiment cannot run, or does not have what was asked for
    │   └── ExperimentFailedError              every trial failed
    ├── StorageError                           the store cannot be read or written
    │   ├── NotFoundError (KeyError)           no such experiment or trial
    │   ├── DuplicateError (ValueError)        the experiment or trial exists already
    │   ├── CorruptStoreError                  the file is damaged, or is not a retiarii store
    │   ├── StoreFullError (OSError)           no space left for the store
    │   ├── StoreLostError                     the store was deleted or replaced while it was in use
    │   └── ExperimentBusyError                another process is running this experiment
    ├── BenchmarkError                         a table of a benchmark is missing, damaged or cannot be built
    ├── MissingExtraError (ImportError)        an optional dependency is not installed
    ├── NoEquivalentError (ImportError)        a name of NNI has no equivalent here
    ├── SupernetError                          a model cannot be made into a supernet
    └── GraphError                             a model cannot be turned into a graph, or a graph into a model
        └── InvalidMutation (ValueError)       a mutation asks for something that the graph does not allow

`TrialPruned` is not in the tree: it is no error but ends a trial, and ``except Exception`` does not catch it.

Messages say what is wrong, where, what was found, what was expected and what to do. Parts that programs may want to
show, such as the label, are also attributes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retiarii._visible import visible

__all__ = [
    "ArchitectureError",
    "ArgumentError",
    "BenchmarkError",
    "ChoiceMisuseError",
    "ConfigError",
    "ConstraintError",
    "CorruptStoreError",
    "DomainError",
    "DuplicateError",
    "EvaluatorError",
    "ExecutionError",
    "ExperimentBusyError",
    "ExperimentError",
    "ExperimentFailedError",
    "FreezeError",
    "GraphError",
    "InvalidMutation",
    "LabelConflictError",
    "MetricError",
    "MissingExtraError",
    "NoContextError",
    "NoEquivalentError",
    "NotFoundError",
    "RecordError",
    "RetiariiError",
    "SearchError",
    "SearchExhausted",
    "SerializationError",
    "SpaceError",
    "StorageError",
    "StoreFullError",
    "StoreLostError",
    "SupernetError",
    "TrialPruned",
    "UnknownInputsError",
]


class RetiariiError(Exception):
    """The base of every deliberate exception of this package.

    Messages quote labels, names, paths and outputs. In ``str(error)``, control characters other than line breaks and
    tabs are shown as escapes.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class SpaceError(RetiariiError, ValueError):
    """A search space is declared wrongly."""


class DomainError(SpaceError):
    """A choice has empty, duplicate or impossible candidates."""


class LabelConflictError(SpaceError):
    """One label has two different domains.

    Attributes:
        label: The label.
        places: The two places where the domains are declared.
    """

    def __init__(self, message: str, *, label: str, places: tuple[str, str]) -> None:
        super().__init__(message)
        self.label = label
        self.places = places


class ConstraintError(SpaceError):
    """No architecture that meets the constraints was found."""


class UnknownInputsError(SpaceError):
    """An ``InputChoice`` without ``n_candidates`` has not seen its inputs yet."""


class ChoiceMisuseError(RetiariiError, TypeError):
    """A choice was used where a plain value is needed."""


class ArchitectureError(RetiariiError, ValueError):
    """An architecture does not fit its search space.

    Attributes:
        label: The label; None if the error is not about a single one.
        got: The value that was found.
        expected: The values that would be accepted.
    """

    def __init__(self, message: str, *, label: str | None = None, got: Any = None, expected: Any = None) -> None:
        super().__init__(message)
        self.label = label
        self.got = got
        self.expected = expected


class FreezeError(RetiariiError):
    """A model cannot be fixed to an architecture."""


class NoContextError(RetiariiError):
    """A context that is needed is missing."""


class SearchExhausted(RetiariiError):
    """A strategy has nothing left to propose."""


class SearchError(RetiariiError, ValueError):
    """A search got an impossible request or result, such as the result of an unknown trial."""


class EvaluatorError(RetiariiError):
    """An evaluator is declared or used wrongly."""


class MetricError(EvaluatorError, ValueError):
    """A metric is missing or is not a number."""


class ArgumentError(EvaluatorError, TypeError):
    """An evaluator or its trainer has no argument of this name."""


class SerializationError(EvaluatorError, TypeError):
    """An object cannot be sent to another process."""


class ExecutionError(RetiariiError):
    """The executor failed, so that trials cannot run; a trial that fails is a result, not this error."""


class ConfigError(RetiariiError, ValueError):
    """A setting has an unknown name or an impossible value."""


class RecordError(RetiariiError, ValueError):
    """The plain data of a trial, an experiment or a part of them cannot be read back."""


class ExperimentError(RetiariiError):
    """An experiment cannot run, or does not have what was asked for."""


class ExperimentFailedError(ExperimentError):
    """Every trial of an experiment failed."""


class StorageError(RetiariiError):
    """The store cannot be read or written."""


class NotFoundError(StorageError, KeyError):
    """There is no such experiment or trial in the store."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return visible(str(self.args[0])) if self.args else ""


class DuplicateError(StorageError, ValueError):
    """The experiment or trial exists already."""


class CorruptStoreError(StorageError):
    """The file is damaged, or is not a retiarii store.

    Attributes:
        experiment_id: The id of the experiment whose data are damaged; None if it is not a single one.
    """

    def __init__(self, message: str, *, experiment_id: str | None = None) -> None:
        super().__init__(message)
        self.experiment_id = experiment_id


class StoreFullError(StorageError, OSError):
    """There is no space left for the store."""


class StoreLostError(StorageError):
    """The store was deleted, moved or replaced while it was in use.

    Attributes:
        rescued: The file to which the content was saved; None if that was impossible.
    """

    def __init__(self, message: str, *, rescued: Path | None = None) -> None:
        super().__init__(message)
        self.rescued = rescued


class ExperimentBusyError(StorageError):
    """Another process is running this experiment."""


class BenchmarkError(RetiariiError):
    """A table of a benchmark is missing or damaged, lacks what was asked for, or cannot be built."""


class MissingExtraError(RetiariiError, ImportError):
    """An optional dependency is not installed."""


class NoEquivalentError(RetiariiError, ImportError):
    """A module or name of NNI that a script imports has no equivalent here; the message says what comes nearest."""


class SupernetError(RetiariiError):
    """A model cannot be made into a supernet, or a supernet cannot do what was asked.

    Attributes:
        path: The path of the module, as in ``model.get_submodule(path)``; empty if the error is not about a single one.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class GraphError(RetiariiError):
    """A model cannot be turned into a graph, or a graph into a model.

    Attributes:
        node: The path of the node, such as ``"layer1.0.conv1"``; None if the error is not about a single one.
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class InvalidMutation(GraphError, ValueError):
    """A mutation asks for something that the graph does not allow, or leaves a graph that cannot run."""


class TrialPruned(BaseException):
    """Ends the running trial; its last reported metrics count.

    `report_intermediate_result` raises it in a trial that the search prunes. An evaluation may raise it itself.

    Args:
        reason: The reason, for people to read.
    """

    def __init__(self, reason: str = "The evaluation ended itself.") -> None:
        super().__init__(reason)
        self.reason = str(reason)
