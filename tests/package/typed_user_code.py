"""What users write, for a type checker: ``test_package_types.py`` gives it to mypy, nothing runs it.

Each ``type: ignore`` marks a mistake that must be found; mypy reports those that are not needed.
"""

import torch

import retiarii
import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
import retiarii.strategy as strategy
from retiarii import (
    Evaluator,
    FunctionalEvaluator,
    RetiariiExeConfig,
    RetiariiExperiment,
    TrialContext,
    basic_unit,
    model_wrapper,
    serialize,
)
from retiarii.strategy import BaseStrategy

width = nn.ValueChoice([8, 16], label="width")
rate = nn.FloatRange(0.1, 0.5, label="rate")
depth = nn.IntegerRange(1, 3, label="depth")


@basic_unit
class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Wide(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input).relu()


@model_wrapper
class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width * 2, kernel_size=(3, width // 8), padding="same", groups=width // 4 + 1)
        self.pool = nn.MaxPool2d(nn.ValueChoice([2, 3]), stride=1)
        self.norm = nn.LayerNorm([width, 8])
        self.drop = nn.Dropout(rate)
        self.mixed = nn.Linear(4 * width, 2**depth - 1)
        self.wider = nn.Linear(nn.ValueChoice.max(width, 4), nn.ValueChoice.to_int(width * rate))
        self.other = nn.Linear(nn.ValueChoice.condition(width > 8, width, 8), abs(-width) % 7)
        self.second = nn.Linear(nn.ValueChoice([(1, 2), (3, 4)])[0], round(width / 2))
        self.lstm = nn.LSTM(8, width, num_layers=depth, bidirectional=nn.ValueChoice([True, False]))
        self.attention = nn.MultiheadAttention(width, num_heads=nn.ValueChoice([1, 2]), dropout=rate)
        self.loss = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum")
        self.listed = nn.LayerChoice([nn.ReLU(), nn.Identity(), Scale(2.0)], prior=[0.2, 0.3, 0.5], label="listed")
        self.named = nn.LayerChoice({"relu": nn.ReLU(), "linear": nn.Linear(width, width)}, label="named")
        self.inputs = nn.InputChoice(n_candidates=2, n_chosen=1, reduction="concat")
        self.repeat = nn.Repeat(lambda index: nn.Linear(width, width), depth)
        self.again = nn.Repeat(nn.Linear(width, width), (1, 3), label="again")
        self.several = nn.Repeat([nn.Linear(2, 2), lambda index: nn.ReLU()], (0, 2))
        self.cell = nn.Cell([nn.ReLU(), nn.Identity()], num_nodes=3, num_ops_per_node=2, merge_op="all")
        self.blocks = nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True))
        count = nn.ModelParameterChoice([2, 3], label="count")
        self.layers = nn.ModuleList([Wide(width, width) for _ in range(count)])
        self.given = nn.functional.relu(torch.zeros(1))
        self.width = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        x = self.inputs([x, self.pool(x)])
        out: torch.Tensor = self.listed[0](x) + self.named["relu"](x) * self.width()
        return out


conv: torch.nn.Conv2d = nn.Conv2d(3, 8, 3)
assert conv.in_channels == 3 and isinstance(conv, nn.Conv2d)  # noqa: PT018 - one line for the type checker
nn.Conv2d(3)  # type: ignore[call-arg]
nn.Conv2d(3, "8", 3)  # type: ignore[arg-type]
nn.Conv2d(3, 8, 3, strides=2)  # type: ignore[call-arg]
nn.Conv2dd(3, 8, 3)  # type: ignore[attr-defined]
nn.Linear(width, [8])  # type: ignore[arg-type]
nn.LayerChoice([1, 2])  # type: ignore[list-item]


def accuracy(model: torch.nn.Module, learning_rate: float = 0.1) -> float:
    return learning_rate


data = serialize(torch.utils.data.TensorDataset, torch.zeros(8, 3))
loader = pl.DataLoader(data, batch_size=nn.ValueChoice([2, 4], label="batch"), shuffle=True)
batches: torch.utils.data.DataLoader[object] = loader
evaluators = [
    FunctionalEvaluator(accuracy, learning_rate=rate),
    FunctionalEvaluator(accuracy, {"learning_rate": 0.1}),
    pl.Classification(learning_rate=rate, weight_decay=1e-4, train_dataloaders=loader, max_epochs=1, num_classes=3),
    pl.Regression(
        torch.nn.MSELoss, optimizer=nn.ValueChoice([torch.optim.SGD, torch.optim.Adam]), val_dataloader=loader
    ),
    pl.Lightning(pl.ClassificationModule(learning_rate=rate), pl.Trainer(max_epochs=depth), loader),
]
pl.Classification(learning_rate="fast")  # type: ignore[arg-type]

strategies: list[BaseStrategy] = [
    strategy.Random(),
    strategy.GridSearch(),
    strategy.RegularizedEvolution(population_size=4, sample_size=2, mutation_prob=0.1),
    strategy.PolicyBasedRL(100, 20, learning_rate=0.01),
    strategy.DARTS(),
    strategy.ENAS(),
    retiarii.strategy.RandomOneShot(),
]
strategy.RegularizedEvolution(population=4)  # type: ignore[call-arg]

config = RetiariiExeConfig("local", trial_concurrency=2, max_experiment_duration="1h", dummy_input=[1, 3, 8, 8])
config.max_trial_number = 3
config.training_service.use_active_gpu = True
RetiariiExeConfig("local", "py", seed=1, storage=None, max_failures=None)
RetiariiExeConfig(trial_concurency=2)  # type: ignore[call-arg]
RetiariiExeConfig(trial_concurrency="two")  # type: ignore[arg-type]
config.trial_concurency = 2  # type: ignore[attr-defined]

experiment = RetiariiExperiment(Net(), evaluators[0], [], strategy.DARTS())
experiment.run(config)
RetiariiExperiment(Net(), accuracy, strategy=strategy.Random()).run({})  # type: ignore[arg-type]
RetiariiExperiment(Net(), accuracy, strategy.Random())  # type: ignore[arg-type]
RetiariiExperiment.resume(experiment.id, max_trial_number=5)
with retiarii.fixed_arch(experiment.export_top_models(1, formatter="dict")[0]):
    final = Net()
score: float = final(torch.zeros(1)).item()
print(
    experiment.search_space.size, evaluators[0].search_space.describe(), [trial.metric for trial in experiment.trials()]
)


class Plain(Evaluator):
    def evaluate(self, model: torch.nn.Module) -> float:
        return float(sum(p.numel() for p in model.parameters()))


class InParts(Evaluator):
    fidelities = ("epochs",)

    def evaluate(self, model: torch.nn.Module, context: TrialContext) -> dict[str, float]:
        context.report(0.5)
        return {"accuracy": 0.5, "epochs": context.fidelity["epochs"]}


class NoResult(Evaluator):
    def evaluate(self, model: torch.nn.Module) -> str:  # type: ignore[override]
        return "good"
