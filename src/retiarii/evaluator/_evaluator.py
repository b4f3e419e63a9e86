"""`Evaluator`: the base class of objects that train and measure models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from retiarii._lazy import is_a, load
from retiarii.errors import EvaluatorError
from retiarii.evaluator._choices import Choices
from retiarii.evaluator._reporting import recording
from retiarii.evaluator._supernet_training import SupernetTraining
from retiarii.evaluator._trial_context import TrialContext, asks_for_context
from retiarii.space import Searchable, SearchSpace
from retiarii.trial import Direction, Metrics, MetricValue

if TYPE_CHECKING:
    from retiarii.oneshot import OneShotSearch

Self = TypeVar("Self", bound="Evaluator")


class Evaluator(ABC):
    """Trains and measures models.

    A subclass implements ``evaluate(self, model)``, or ``evaluate(self, model, context)`` to get a `TrialContext` with
    the trial's number, seed, device, fidelity and folders. It must not change the evaluator, because one object
    evaluates many models, one after another.

    Choices in its arguments (a `retiarii.nn.pytorch.ValueChoice`, an expression of some, or, without torch, a choice
    such as `retiarii.space.Float`) are searched jointly with the architecture. They are found in its attributes, in
    lists, tuples, dicts and traced objects in its attributes, and in its own arguments if its class is decorated with
    `retiarii.trace`. A choice with the same label as one in the model is the same decision.

    Attributes:
        direction: Whether larger or smaller metrics are better; None to use the experiment's setting.
        fidelities: The names of the fidelities that it supports, such as ``"epochs"``; None for any.
    """

    direction: Direction | None = None
    fidelities: Collection[str] | None = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
    def evaluate(self, model: Any, *args: Any, **kwargs: Any) -> MetricValue | None:
        """Train and measure one model.

        A subclass defines ``evaluate(self, model)`` or ``evaluate(self, model, context)``. The signature here lets type
        checkers accept both as overrides.

        Args:
            model: A plain PyTorch model without choices; the architecture if a bare search space is searched.
            *args: Not used.
            **kwargs: ``context``, a `TrialContext`, if the subclass has a parameter of that name.

        Returns:
            The final metric, unless `report_final_result` was called: a number, or a mapping from names to numbers
            that includes the objectives of the experiment.
        """

    @property
    def search_space(self) -> SearchSpace:
        """The choices in the arguments; choices without a label are ``param_1``, ``param_2``, ... in order.

        Raises:
            LabelConflictError: One label stands for two domains.
        """
        return Choices(self, "evaluator").space

    def fix(self: Self, architecture: Mapping[str, Any]) -> Self:
        """Return this evaluator with its choices replaced by values; the evaluator itself if it has none.

        Only objects that depend on a choice are built again; others, such as data sets, are shared.

        Args:
            architecture: A value for each label of `search_space`; other labels are ignored.

        Raises:
            ArchitectureError: A value is missing or is not in the domain of its choice.
        """
        fixed: Self = Choices(self, "evaluator").fix(architecture)
        return fixed

    def run_on_example(self, model: Any) -> bool:
        """Run a model once on some of this evaluator's data, without training it and without changing the evaluator.

        An experiment calls it for a base model with an `InputChoice` without ``n_candidates``, to find out how many
        inputs it has.

        Args:
            model: The PyTorch model with its choices, in evaluation mode and without gradients.

        Returns:
            Whether the model was run. This method does nothing and returns False.
        """
        return False

    def train_supernet(self, search: OneShotSearch, training: SupernetTraining) -> None:
        """Train a supernet while a one-shot strategy searches it; must not change the evaluator.

        Args:
            search: The running search; train its ``supernet.module`` as documented in `OneShotSearch`.
            training: The listener, the seed, and the checkpoint to continue from.

        Raises:
            EvaluatorError: This evaluator cannot train supernets.
        """
        raise EvaluatorError(
            f"{type(self).__name__} cannot train a supernet: it does not show its training step, which a one-shot "
            "strategy has to drive. Use an evaluator of retiarii.evaluator.pytorch.lightning, write a subclass of "
            "Evaluator with train_supernet and evaluate_subnet (retiarii.oneshot.SearchLoop is a plain loop), or use "
            "a multi-trial strategy, for example RegularizedEvolution()."
        )

    def evaluate_subnet(self, model: Any) -> MetricValue | None:
        """Measure a network with the weights that it inherited from a supernet: `evaluate` without the training.

        Args:
            model: A plain PyTorch model. Its batch normalisation has the statistics of the supernet, a mixture of all
                paths, and should be recomputed, see `retiarii.oneshot.recalibrate_batch_norm`.

        Raises:
            EvaluatorError: This evaluator cannot measure subnets.
        """
        raise EvaluatorError(f"{type(self).__name__} has no evaluate_subnet, so that it cannot measure subnets.")

    def _execute(self, model_cls: Any) -> MetricValue | None:
        """Evaluate one model in this process, for debugging; remaining choices take their defaults.

        Args:
            model_cls: The model's class, a function that builds it, or the model; or a bare search space.
        """
        space, model = _default_of(model_cls)
        architecture = space.merge(self.search_space).default()
        return _call(self.fix(architecture), model, TrialContext(architecture=architecture))


def run_evaluation(evaluator: Evaluator, model: Any, context: TrialContext) -> Metrics:
    """Evaluate a model and return its final metrics, which the evaluator returned or reported.

    Args:
        evaluator: The evaluator, without choices, see `Evaluator.fix`.
        model: The model, or another object that the evaluator takes.
        context: The trial; ``context.on_report`` is called with every intermediate result.

    Raises:
        MetricError: There is no final result, it is not a number, or two final results differ.
        TrialPruned: The search has ended the trial.
    """
    with recording(context.on_report) as recorder:
        returned = _call(evaluator, model, context.reporting_to(recorder.record_intermediate))
        return recorder.conclude(returned, evaluator)


def _call(evaluator: Evaluator, model: Any, context: TrialContext) -> MetricValue | None:
    evaluate: Callable[..., MetricValue | None] = evaluator.evaluate
    return evaluate(model, context=context) if asks_for_context(evaluate) else evaluate(model)


def _default_of(source: Any) -> tuple[SearchSpace, Any]:
    """Return the space of a model, of its class or of a bare space, and the model of the first architecture."""
    if isinstance(source, SearchSpace):
        return source, source.default()
    if isinstance(source, Searchable):
        engine = source.engine()
        return engine.space, engine.build(engine.space.default())
    model = source if is_a(source, "torch.nn:Module") else source()
    space: SearchSpace = load("retiarii.nn.pytorch:extract_space")(model)
    return space, load("retiarii.nn.pytorch:freeze")(model, space.default()) if len(space) else model
