"""A primitive that runs some of several branches side by side, and sums up their outputs."""

from torch import nn

from retiarii.nn.pytorch.primitives import Frozen, Mutable, new_label
from retiarii.oneshot import ChoiceOperator, choice_rule, weighted_sum
from retiarii.space import Subset, when


class BranchSum(nn.Module):
    """What `Branches` becomes: the chosen branches."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleDict()

    def forward(self, x):
        return sum(branch(x) for branch in self.branches.values())


class Branches(Mutable):
    """Chooses which branches there are: at least one, by name."""

    def __init__(self, branches, at_most=None, *, label=None):
        super().__init__()
        names = tuple(branches)
        self.choice = Subset(new_label(label), names, min_chosen=1, max_chosen=at_most or len(names))
        self.branches = nn.ModuleDict(branches)

    def declare_choices(self, survey):
        survey.choice(self.choice)
        for name in self.branches:
            with survey.under(when(self.choice.label, name)), survey.inside("branches"):
                survey.child(self.branches, name)

    def freeze_by(self, freezer):
        total = BranchSum().train(self.training)
        for name in freezer.value(self.choice):
            branch = freezer.child(self.branches, name, f"branches.{name}")
            freezer.attach(total.branches, name, branch)
        return Frozen(total)

    def forward(self, x):
        return sum(self.branches[name](x) for name in self.choice.default())


class BranchesOperator(ChoiceOperator):
    """`Branches` in a supernet: a mixture weighs each branch by the probability that it is there."""

    def mix(self, x):
        (decision,) = self.decisions
        outputs = [branch(x) for branch in self.branches.values()]
        return weighted_sum(decision.inclusion().unbind(), outputs, self.path, self.decisions)


RULES = {Branches: choice_rule(BranchesOperator)}
