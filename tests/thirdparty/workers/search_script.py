"""A script with arguments of its own and data loaders with worker processes: ``python search_script.py --trials 4``."""

import argparse
import os

import torch
from torch.utils.data import DataLoader, Dataset

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import Random


class Squares(Dataset):
    """Numbers and their squares, each with the process that made it."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        x = torch.tensor([2 * index / self.count - 1])
        return x, x**2, os.getpid()


def train(model, args, batch_size):
    loader = DataLoader(Squares(args.samples), batch_size, shuffle=True, num_workers=args.workers)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    processes = set()
    for _ in range(args.epochs):
        for x, y, process in loader:
            processes.update(process.tolist())
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return {"default": loss.item(), "processes": len(processes - {os.getpid()})}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()

    width = nn.ValueChoice([4, 8, 16], label="width")
    activation = nn.LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="activation")
    model = nn.Sequential(nn.Linear(1, width), activation, nn.Linear(width, 1))
    evaluator = FunctionalEvaluator(train, args=args, batch_size=nn.ValueChoice([8, 16], label="batch_size"))
    experiment = RetiariiExperiment(model, evaluator, [], Random())
    config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=args.trials, seed=args.seed)
    config.optimize_mode, config.progress = "minimize", False
    experiment.run(config)
    for trial in experiment.trials():
        print(trial.number, trial.state.value, trial.metrics["default"], trial.metrics["processes"])


if __name__ == "__main__":
    main()
