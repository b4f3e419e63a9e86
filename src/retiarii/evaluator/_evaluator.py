"""`Evaluator`: what says how good a model is."""

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
from retiarii.space import SearchSpace
from retiarii.trial import Direction, Metrics, MetricValue

if TYPE_CHECKING:
    from retiarii.oneshot import OneShotSearch

Self = TypeVar("Self", bound="Evaluator")


class Evaluator(ABC):
    """Trains and measures models.

    A subclass implements ``evaluate(self, model)``, or ``evaluate(self, model, context)`` to be given a `TrialContext`:
    the trial's number, seed, device, fidelity and folders. It should leave the evaluator as it was, because one object
    evaluates many models, one after another.

    Choices among its arguments (a `retiarii.nn.pytorch.ValueChoice`, arithmetic on some, or, where there is no torch, a
    choice such as `retiarii.space.Float`) are searched jointly with the architecture: those in its attributes, those in
    lists, tuples, dicts and traced objects that its attributes hold, and those in its own arguments if its class is
    decorated with `retiarii.trace`. A decision is shared with the model by its label.

    Attributes:
        direction: Which metrics are better, where the evaluator knows: larger or smaller ones.
        fidelities: The names of the fidelities that it heeds, such as ``"epochs"``; None where it takes any.
    """

    direction: Direction | None = None
    fidelities: Collection[str] | None = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
    def evaluate(self, model: Any, *args: Any, **kwargs: Any) -> MetricValue | None:
        """Train and measure one model.

        A subclass writes ``evaluate(self, model)`` or ``evaluate(self, model, context)``. The signature here is the one
        of which type checkers take both as overrides.

        Args:
            model: A plain PyTorch model without choices; the architecture where a bare search space is searched.
            *args: Nothing is given.
            **kwargs: ``context``, a `TrialContext`, where the subclass has a parameter of that name.

        Returns:
            The final metric, unless `report_final_result` was called: a number, or a mapping from names to numbers
            with those that the experiment compares, its objectives.
        """

    @property
    def search_space(self) -> SearchSpace:
        """The choices among the arguments; those without a label are ``param_1``, ``param_2``, ... in order.

        Raises:
            LabelConflictError: One label stands for two domains.
        """
        return Choices(self, "evaluator").space

    def fix(self: Self, architecture: Mapping[str, Any]) -> Self:
        """Return this evaluator with its choices replaced by values; itself where it has none.

        Only what depends on a choice is built again; data sets and all else are shared with this evaluator.

        Args:
            architecture: Has a value for each label of `search_space`; other labels are the model's.

        Raises:
            ArchitectureError: A value is missing or is none of its choice.
        """
        fixed: Self = Choices(self, "evaluator").fix(architecture)
        return fixed

    def run_on_example(self, model: Any) -> bool:
        """Run a model once on some of this evaluator's data, without training it; the evaluator stays as it was.

        An experiment does so with a base model that has an `InputChoice` without ``n_candidates``, which learns from it
        how many inputs it has.

        Args:
            model: The PyTorch model, choices included; it is in evaluation mode and without gradients.

        Returns:
            Whether it was run: this method does nothing and returns False.
        """
        return False

    def train_supernet(self, search: OneShotSearch, training: SupernetTraining) -> None:
        """Train a supernet, which a one-shot strategy searches meanwhile; the evaluator stays as it was.

        Args:
            search: The running search; its ``supernet.module`` is what to train. How, says `OneShotSearch`.
            training: Whom to tell, and what to continue from.

        Raises:
            EvaluatorError: This evaluator cannot.
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
            model: A plain PyTorch model. Batch normalisation has the statistics of the supernet, which are those of
                all paths mixed: they should be computed anew, see `retiarii.oneshot.recalibrate_batch_norm`.

        Raises:
            EvaluatorError: This evaluator cannot.
        """
        raise EvaluatorError(f"{type(self).__name__} has no evaluate_subnet, so that it cannot measure subnets.")

    def _execute(self, model_cls: Any) -> MetricValue | None:
        """Evaluate one model here and now, for debugging; whatever is still a choice takes its default.

        Args:
            model_cls: The model's class, a function that builds it, or the model; or a bare search space.
        """
        space, model = _default_of(model_cls)
        architecture = space.merge(self.search_space).default()
        return _call(self.fix(architecture), model, TrialContext(architecture=architecture))


def run_evaluation(evaluator: Evaluator, model: Any, context: TrialContext) -> Metrics:
    """Evaluate a model and return its final metrics, whether they are returned or reported.

    Args:
        evaluator: Without choices, see `Evaluator.fix`.
        model: What the evaluator takes.
        context: The trial; ``context.on_report`` is told every intermediate result, as it comes.

    Raises:
        MetricError: There is no final result, it is no number, or two contradict each other.
        TrialPruned: The search has ended the trial.
    """
    with recording(context.on_report) as recorder:
        returned = _call(evaluator, model, context.reporting_to(recorder.record_intermediate))
        return recorder.conclude(returned, evaluator)


def _call(evaluator: Evaluator, model: Any, context: TrialContext) -> MetricValue | None:
    evaluate: Callable[..., MetricValue | None] = evaluator.evaluate
    return evaluate(model, context=context) if asks_for_context(evaluate) else evaluate(model)


def _default_of(source: Any) -> tuple[SearchSpace, Any]:
    """Return the space of a model, of its class or of a bare space, and what its first architecture builds."""
    if isinstance(source, SearchSpace):
        return source, source.default()
    model = source if is_a(source, "torch.nn:Module") else source()
    space: SearchSpace = load("retiarii.nn.pytorch:extract_space")(model)
    return space, load("retiarii.nn.pytorch:freeze")(model, space.default()) if len(space) else model
