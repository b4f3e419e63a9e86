"""`get_and_apply_next_architecture`: the architecture of a trial whose training script has the model.

A tuner proposes architectures, and a trial is the training script itself, see ``retiarii create`` and ``retiarii
ss-gen``. `ClassicMutator` is the same for scripts that need a mutator.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from retiarii.classic.pytorch._model_parameters import ModelParameters
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.errors import ArchitectureError, SpaceError
from retiarii.evaluator import get_next_parameter, is_command_of_trial, tell_failure, tell_search_space
from retiarii.space import Architecture

__all__ = ["ClassicMutator", "get_and_apply_next_architecture"]

_logger = logging.getLogger(__name__)


def get_and_apply_next_architecture(model: nn.Module) -> None:
    """Turn a model with choices into the network of this trial, in place; see `apply_fixed_architecture`.

    In a trial of ``retiarii create``, the tuner decides. In a script that runs on its own, the first candidates are
    taken, and a warning is logged. Where ``retiarii ss-gen`` runs the script, it gets the search space of the model,
    and the script ends.

    Args:
        model: The model, with choices of `retiarii.classic.pytorch.mutables` or `retiarii.nn.pytorch`.

    Raises:
        ArchitectureError: The parameters of the trial do not fit the model.
        SpaceError: The model has no choices, or has one that a search-space file cannot describe.
        FreezeError: The model is itself a choice.
        SystemExit: ``retiarii ss-gen`` runs the script.
    """
    apply_fixed_architecture(model, _next_architecture(ModelParameters(model)), verbose=False)


class ClassicMutator(Mutator):
    """A mutator that decides a model as the tuner of the experiment does, once and for all.

    The model keeps all its candidates; `get_and_apply_next_architecture` makes a smaller one.

    Args:
        model: The model, whose choices are all of `retiarii.classic.pytorch.mutables`.

    Raises:
        ArchitectureError: The parameters of the trial do not fit the model.
        SpaceError: The model has no choices, or has choices that are not classic.
        SearchError: Another mutator is bound to the model.
        SystemExit: ``retiarii ss-gen`` runs the script.
    """

    def __init__(self, model: nn.Module) -> None:
        parameters = ModelParameters(model)
        if parameters.not_classic:
            raise SpaceError(
                f"ClassicMutator decides layer choices and input choices of retiarii.classic.pytorch.mutables, and "
                f"{type(model).__name__} has others: {', '.join(map(repr, parameters.not_classic))}. Use "
                "get_and_apply_next_architecture(model)."
            )
        architecture = _next_architecture(parameters)
        super().__init__(model)  # binds, which an error before it does not
        self._architecture = architecture
        self.reset()

    def sample_search(self) -> Mapping[str, Tensor]:
        """Return the masks of the architecture of this trial."""
        return self.sample_final()

    def sample_final(self) -> Mapping[str, Tensor]:
        """Return the masks of the architecture of this trial; of choices that are not active, the first candidates."""
        values: Mapping[str, Any] = self._architecture
        return {
            key: choice.selection_of(values[key] if key in values else choice.choice().default()).mask()
            for key, choice in self.choices_by_key.items()
        }


def _next_architecture(parameters: ModelParameters) -> Architecture:
    """Return the architecture of this trial; end the script if it is asked for the search space."""
    if tell_search_space(parameters.description):
        raise SystemExit(0)
    if is_command_of_trial():
        try:
            return parameters.architecture(get_next_parameter())
        except ArchitectureError as err:
            tell_failure(str(err))
            raise
    architecture = parameters.space.default()
    _logger.warning(
        "No experiment runs this script: get_and_apply_next_architecture takes the first candidates, %s.",
        architecture.canonical_json(),
    )
    return architecture
