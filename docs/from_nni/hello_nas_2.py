"""Hello, NAS, as written for NNI 2.x: digits of scikit-learn."""

import argparse

import nni
import nni.retiarii.nn.pytorch as nn
import nni.retiarii.strategy as strategy
import torch
import torch.nn.functional as F
from nni.retiarii import fixed_arch, model_wrapper
from nni.retiarii.evaluator import FunctionalEvaluator
from nni.retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--trials", type=int, default=6)
args = parser.parse_args()


class DepthwiseSeparableConv(nn.Module):
    def __init__(self, in_ch, out_ch):
        super().__init__()
        self.depthwise = nn.Conv2d(in_ch, in_ch, kernel_size=3, padding=1, groups=in_ch)
        self.pointwise = nn.Conv2d(in_ch, out_ch, kernel_size=1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        # LayerChoice chooses one of the two convolutions.
        self.conv2 = nn.LayerChoice([nn.Conv2d(16, 32, 3, padding=1), DepthwiseSeparableConv(16, 32)], label="conv2")
        # ValueChoice chooses the dropout rate, and the width of the hidden layer, which two layers share.
        self.dropout = nn.Dropout(nn.ValueChoice([0.25, 0.5], label="dropout"))
        feature = nn.ValueChoice([32, 64, 128], label="feature")
        self.fc1 = nn.Linear(32 * 4 * 4, feature)
        self.fc2 = nn.Linear(feature, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(self.conv2(x), 2)
        x = F.relu(self.fc1(self.dropout(torch.flatten(x, 1))))
        return self.fc2(x)


def load_data():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    return TensorDataset(images[:1400], labels[:1400]), TensorDataset(images[1400:], labels[1400:])


def evaluate_model(model_cls):
    # "model_cls" is a class, which has to be instantiated.
    model = model_cls()
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    model.to(device)
    train, test = load_data()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(args.epochs):
        model.train()
        for x, y in DataLoader(train, batch_size=64, shuffle=True):
            x, y = x.to(device), y.to(device)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            correct = sum((model(x.to(device)).argmax(1) == y.to(device)).sum() for x, y in DataLoader(test, 200))
        accuracy = correct.item() / len(test)
        nni.report_intermediate_result(accuracy)
    nni.report_final_result(accuracy)


if __name__ == "__main__":
    base_model = Net()
    search_strategy = strategy.Random(dedup=True)
    model_evaluator = FunctionalEvaluator(evaluate_model)

    exp = RetiariiExperiment(base_model, model_evaluator, [], search_strategy)
    exp_config = RetiariiExeConfig("local")
    exp_config.experiment_name = "hello_nas_2"
    exp_config.trial_concurrency = 2
    exp_config.max_trial_number = args.trials
    exp_config.training_service.use_active_gpu = False
    exp.run(exp_config, 8081)

    for model_dict in exp.export_top_models(formatter="dict"):
        print(model_dict)
    with fixed_arch(model_dict):
        final_model = Net()
    print(final_model)
