"""Hello, NAS, as written for NNI 3.0: digits of scikit-learn."""

import argparse

import nni
import nni.nas.strategy as strategy
import torch
import torch.nn as nn
import torch.nn.functional as F
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableDropout, MutableLinear
from nni.nas.space import model_context
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


class MyModelSpace(ModelSpace):
    def __init__(self):
        super().__init__()
        self.conv1 = MutableConv2d(1, 16, nni.choice("kernel", [3, 5]), padding="same")
        # LayerChoice chooses one of the two convolutions.
        self.conv2 = LayerChoice([nn.Conv2d(16, 32, 3, padding=1), DepthwiseSeparableConv(16, 32)], label="conv2")
        # nni.choice chooses the dropout rate, and the width of the hidden layer, which two layers share.
        self.dropout = MutableDropout(nni.choice("dropout", [0.25, 0.5]))
        feature = nni.choice("feature", [32, 64, 128])
        self.fc1 = MutableLinear(32 * 4 * 4, feature)
        self.fc2 = MutableLinear(feature, 10)

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


def evaluate_model(model, learning_rate):
    # By v3.0, the model is already instantiated.
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    model.to(device)
    train, test = load_data()
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
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
    model_space = MyModelSpace()
    search_strategy = strategy.RegularizedEvolution(population_size=4, sample_size=2)
    evaluator = FunctionalEvaluator(evaluate_model, learning_rate=nni.choice("lr", [1e-3, 3e-3]))

    exp = NasExperiment(model_space, evaluator, search_strategy)
    exp.config.experiment_name = "hello_nas_3"
    exp.config.max_trial_number = args.trials
    exp.config.trial_concurrency = 2
    exp.config.training_service.use_active_gpu = True
    exp.run(port=8081)

    for model_dict in exp.export_top_models(formatter="dict"):
        print(model_dict)
    with model_context(model_dict):
        final_model = MyModelSpace()
    print(final_model)
