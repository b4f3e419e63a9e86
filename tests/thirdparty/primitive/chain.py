"""A primitive with two choices: how many blocks there are, and how their outputs are reduced to one."""

from functools import partial
from operator import lt

from torch import nn

from retiarii.nn.pytorch import ValueChoice
from retiarii.nn.pytorch.primitives import Frozen, Mutable, condition_where, new_label, reduce_inputs, sublabel
from retiarii.oneshot import ChoiceOperator, choice_rule, joint_values, weighted_sum
from retiarii.space import Categorical

REDUCTIONS = ("sum", "mean")


class ReducedChain(nn.Module):
    """What `Chain` becomes: the chosen number of blocks."""

    def __init__(self, reduction):
        super().__init__()
        self.reduction = reduction
        self.blocks = nn.ModuleList()

    def forward(self, x):
        outputs = [x]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return reduce_inputs(outputs, self.reduction)


class Chain(Mutable):
    """Runs blocks one after the other and reduces all that they compute, the input among it.

    The depth is an expression, or a list of numbers to choose from.
    """

    def __init__(self, make_block, depth, *, label=None):
        super().__init__()
        label = new_label(label)
        self.depth = ValueChoice(depth, label=sublabel(label, "depth")) if isinstance(depth, list) else depth
        self.reduction = Categorical(sublabel(label, "reduction"), REDUCTIONS)
        self.blocks = nn.ModuleList(make_block(index) for index in range(max(self.depth.possible_values())))

    def declare_choices(self, survey):
        survey.expression(self.depth, "depth")
        survey.choice(self.reduction, "reduction")
        for index in range(len(self.blocks)):
            with survey.under(condition_where(self.depth, partial(lt, index))), survey.inside("blocks"):
                survey.child(self.blocks, str(index))

    def freeze_by(self, freezer):
        chain = ReducedChain(freezer.value(self.reduction))
        chain.train(self.training)
        for index in range(freezer.evaluate(self.depth)):
            block = freezer.child(self.blocks, str(index), f"blocks.{index}")
            freezer.attach(chain.blocks, str(index), block)
        return Frozen(chain)

    def forward(self, x):
        outputs = [x]
        for block in self.blocks[: self.depth.default()]:
            outputs.append(block(outputs[-1]))
        return reduce_inputs(outputs, REDUCTIONS[0])


class ChainOperator(ChoiceOperator):
    """`Chain` in a supernet: a mixture weighs all depths and reductions by their probabilities."""

    def mix(self, x):
        depths, probabilities = joint_values(self.mutable.depth, self.lookup, self.path)
        by_sum, by_mean = self.lookup[self.mutable.reduction.label].weights
        outputs = [x]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        candidates, weights = [], []
        for depth, probability in zip(depths, probabilities, strict=True):
            for reduction, weight in (("sum", by_sum), ("mean", by_mean)):
                candidates.append(reduce_inputs(outputs[: depth + 1], reduction))
                weights.append(probability * weight)
        return weighted_sum(weights, candidates, self.path, self.decisions)


RULES = {Chain: choice_rule(ChainOperator)}
