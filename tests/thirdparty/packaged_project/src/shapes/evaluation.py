"""Training and measuring."""

import torch
from torch.nn import functional as F

from retiarii import Evaluator, report_intermediate_result

from .data import lines


class Accuracy(Evaluator):
    """Trains with Adam, and measures the accuracy on other images."""

    def __init__(self, learning_rate, epochs=3):
        self.learning_rate, self.epochs = learning_rate, epochs
        self.train, self.test = lines(200, seed=1), lines(100, seed=2)

    def evaluate(self, model):
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        images, labels = self.train
        for _ in range(self.epochs):
            for batch in torch.randperm(len(labels)).split(25):
                optimizer.zero_grad()
                F.cross_entropy(model(images[batch]), labels[batch]).backward()
                optimizer.step()
            report_intermediate_result(self.accuracy(model))
        return self.accuracy(model)

    def accuracy(self, model):
        images, labels = self.test
        with torch.no_grad():
            return (model(images).argmax(1) == labels).float().mean().item()
