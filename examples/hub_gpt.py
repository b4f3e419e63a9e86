"""A ready space of language models: small GPTs share weights, and the best within a limit learns a text by heart.

The text is the list of sentences below; the models predict it character by character.
"""

import os

import torch
from torch.nn import functional as F

from retiarii import extract_space, freeze
from retiarii.hub.pytorch import GPTSpace
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.oneshot import RandomOneShot, SearchLoop, SubnetEvaluator, search_subnets
from retiarii.strategy import RegularizedEvolution

FAST = bool(os.environ.get("RETIARII_EXAMPLE_FAST"))
STEPS, TRIALS = (10, 3) if FAST else (300, 30)
MAX_PARAMS = 20_000
CONTEXT = 32

TEXT = " ".join(
    f"The {net} catches the {fish}, and the {fish} swims around the {net}."
    for net in ("small net", "wide net", "old net", "heavy net")
    for fish in ("red fish", "blue fish", "shy fish", "quick fish")
)
LETTERS = sorted(set(TEXT))
CODES = torch.tensor([LETTERS.index(letter) for letter in TEXT])


def batches(count, size=16):
    """Return windows of the text, and the same windows one character later."""
    generator = torch.Generator().manual_seed(count)
    starts = torch.randint(len(CODES) - CONTEXT, (count, size, 1), generator=generator)
    windows = starts + torch.arange(CONTEXT)
    return list(zip(CODES[windows], CODES[windows + 1], strict=True))


def loss(network, batch):
    tokens, following = batch
    return F.cross_entropy(network(tokens).flatten(0, 1), following.flatten())


def train(network, steps):
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003)
    for batch in batches(steps):
        optimizer.zero_grad()
        loss(network, batch).backward()
        optimizer.step()


torch.set_num_threads(1)  # the networks are too small for more
torch.manual_seed(0)
model = GPTSpace(
    vocab_size=len(LETTERS),
    context_length=CONTEXT,
    search_width=(16, 24, 32, 48),
    search_depth=(1, 2, 3),
    search_num_heads=(1, 2, 3, 4),
    search_ffn_ratio=(1.0, 2.0, 4.0),
    head_dim=8,
)
params = PythonEngine(model).costs["params"]
space = extract_space(model).constrained(lambda architecture: params(architecture) <= MAX_PARAMS)
print(f"{model.size:,} language models of at most {params(space.default()):,.0f} parameters")

# One training of a network with all of them inside, which run in turn
search = RandomOneShot().search(model, seed=0)
optimizer = torch.optim.AdamW(search.supernet.parameters(), lr=0.003)
SearchLoop(search, loss, optimizer).run(batches(STEPS), [], num_epochs=1)


# A search among those that are small enough
@torch.no_grad()
def validation_loss(network):
    return sum(loss(network, batch).item() for batch in batches(4)) / 4


evolution = RegularizedEvolution(population_size=8, sample_size=3).search(space, seed=0, objectives="minimize")
search_subnets(evolution, SubnetEvaluator(search, validation_loss), TRIALS)
assert evolution.best is not None  # some were evaluated
best = evolution.best.architecture
print(f"{params(best):,.0f} parameters: {dict(best)}")

# The best from scratch
network = freeze(model, best, weights="fresh")
train(network, STEPS)
network.eval()
print(f"loss from scratch: {validation_loss(network):.3f}")
written = "The "
with torch.no_grad():
    for _ in range(60):
        tokens = torch.tensor([[LETTERS.index(letter) for letter in written[-CONTEXT:]]])
        written += LETTERS[network(tokens)[0, -1].argmax()]
print(written)
