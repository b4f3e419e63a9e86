"""A program in another framework, or in none: it fits a polynomial by hand, epoch by epoch."""

import argparse
import json
import os
import random
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("--save")
parser.add_argument("--continue", dest="start")
options = parser.parse_args()
chosen = json.load(sys.stdin)

if chosen["degree"] == 9:
    sys.exit("nine is too much")
state = {"weights": [0.0] * (chosen["degree"] + 1), "epoch": 0}
if options.start:
    with open(options.start) as file:
        state = json.load(file)
elif chosen["init"] == "random":
    rng = random.Random(options.seed)
    state["weights"] = [rng.uniform(-1, 1) for _ in state["weights"]]

points = [(i / 16 - 1, (i / 16 - 1) ** 3) for i in range(33)]
weights = state["weights"]
for epoch in range(state["epoch"], options.epochs):
    errors = [(sum(w * x**k for k, w in enumerate(weights)) - y, x) for x, y in points]
    for k in range(len(weights)):
        weights[k] -= options.rate * sum(2 * error * x**k for error, x in errors) / len(points)
    loss = sum(error**2 for error, _ in errors) / len(points)
    print(f"loss={loss!r} epoch={epoch + 1}", flush=True)
if options.start and state["epoch"] >= options.epochs:
    sys.exit("nothing left to train")
if options.save:
    with open(options.save, "w") as file:
        json.dump({"weights": weights, "epoch": options.epochs}, file)
if "PROGRAM_LOG" in os.environ:
    with open(os.environ["PROGRAM_LOG"], "a") as log:
        log.write(f"{os.getpid()} finished\n")
