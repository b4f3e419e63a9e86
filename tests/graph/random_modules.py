"""Random modules with ordinary Python in ``forward``, as source text drawn from a grammar.

`random_module` draws one: a class whose ``forward`` is a few statements from `EASY` (what a graph should hold) and, now
and then, one from `HARD` (what it may refuse). All tensors have the shape ``[3, 4]``, so that any statement can follow
any other.
"""

from __future__ import annotations

import linecache
import random
import sys
import types
from dataclasses import dataclass

import torch

import retiarii.nn.pytorch as nn

ROWS, WIDTH = 3, 4
LAYERS = (
    "self.a(V)",
    "self.b(V)",
    "self.norm(V)",
    "self.drop(V)",
    "self.act(V)",
    "self.blocks[1](V)",
    "self.named['k'](V)",
    "self.choice(V)",
)
FORMULAS = (
    "V + W",
    "V - W * 0.5",
    "V * self.scale",
    "V * self.p",
    "V + self.buf",
    "V + self.table",
    "torch.tanh(V)",
    "F.relu(V)",
    "torch.sigmoid(V) * W",
    "V @ self.a.weight",
    "F.linear(V, self.b.weight, self.b.bias)",
    "-V",
    "V.clone()",
    "V.masked_fill(V > 0, value=0.5)",
    "torch.where(V > 0, V, W)",
    "torch.addcmul(V, V, W, value=0.5)",
    "torch.addcdiv(V, W, torch.ones_like(V), value=2.0)",
    "V.clamp(min=-1.0)",
    "V.transpose(0, 1).transpose(1, 0)",
    "V[:, [3, 2, 1, 0]]",
    "V.view(-1).view(W.shape)",
    "torch.cat([V[:1], W[1:]])",
    "V.scatter(1, INDEX, value=0.0)",
    "V + torch.zeros(V.size(0), 4)",
    "V + torch.ones(len(V), V.shape[1])",
    "V + torch.randn(V.size(0), 4)",
    "V + torch.arange(V.size(1))",
    "V * torch.rand_like(V)",
    "V + V.new_zeros(len(V), 4)",
    "V @ torch.eye(V.size(-1))",
    "V + torch.full((V.shape[0], 4), 0.5)",
    "V / math.sqrt(V.size(-1))",
    "V * len(V.shape)",
    "V / V.numel()",
    "F.dropout(V, 0.3, self.training)",
    "F.dropout(V, p=0.3, training=self.training)",
    "scaled(V)",
    "scaled(V, factor=self.scale)",
    "functools.partial(torch.add, alpha=2)(V, W)",
    "self.helper(V)",
    "V.mean(0, keepdim=True) + W",
    "torch.stack([V, W]).sum(0)",
    "torch.max(V, W)",
    "V.max(dim=1, keepdim=True)[0] + W",
    "sum(t * 0.5 for t in (V, W))",
    "[V, W, V + W][-1]",
    "{'a': V, 'b': W}['b']",
    "V.sort(dim=1).values",
    "V.chunk(2, dim=1)[0].repeat(1, 2)",
    "torch.einsum('ij,ij->ij', V, W)",
    "V.detach() + W",
    "V + self.sizes[0]",
    "torch.tensor([1.0, 2.0, 3.0, 4.0]) * V",
    "V.reshape(V.size(0), -1)",
    "V.expand(V.size(0), V.size(1)).contiguous()",
    "self.gru(V)[0]",
    "self.wrapped(V)",
    "V.softmax(-1)",
    "nn.functional.gelu(V)",
    "V.float()",
    "V.to(W.dtype)",
    "self.extra.pow(2).sum() + V",
    "sum(q.sum() for q in self.a.parameters()) * V",
    "V.T.T",
    "V[...] * W[:, :]",
)
CONDITIONS = (
    "isinstance(V, torch.Tensor)",
    "type(V) is torch.Tensor",
    "torch.is_tensor(V)",
    "not torch.is_tensor(V)",
    "hasattr(V, 'view')",
    "hasattr(V, 'nothing')",
    "callable(V)",
    "V is None",
    "V is not None",
    "self.flag",
    "self.scale > 0.3",
    "isinstance(V.size(0), int)",
    "isinstance(len(V), float)",
    "isinstance(V.shape, tuple)",
    "isinstance(V, (list, tuple))",
    "issubclass(type(V), torch.Tensor)",
    "getattr(V, 'nothing', None) is None",
    "V.__class__ is torch.Tensor",
    "isinstance(self.p, nn.Parameter)",
    "len(self.blocks) == 2",
    "'k' in self.named",
    "isinstance([V], list)",
    "type(V) in (list, tuple)",
    "not isinstance(V, str)",
    "type(V.shape[0]) is int",
    "isinstance(V + W, torch.Tensor)",
    "isinstance(self.a(V), torch.Tensor)",
    "torch.jit.is_scripting()",
    "isinstance(V, collections.abc.Sequence)",
    "type(V).__name__ == 'Tensor'",
    "self.nothing is None",
)
EASY = (
    ("V = LAYER",) * 4,
    ("V = FORMULA",) * 4,
    ("V += W", "V += 1.0", "V *= 0.5", "V -= self.p", "V = V.clone()\nV /= 2.0"),
    ("V.add_(0.5)", "V.mul_(0.5).add_(W)", "torch.relu_(V)", "F.relu(V, inplace=True)", "V.clamp_(min=-0.5)"),
    ("V[:, 0] = 0.0", "V[1] = W[0]", "V[:, [1, 2]] = 0.25", "V[0] += 1.0", "V[:, 1:3] *= W[:, 1:3]", "V[V > 1] = 1.0"),
    (
        "N = V\nN += 1.0\nV = V + N",
        "N = V.view(-1)\nV.add_(1.0)\nV = V + N.view(3, 4)",
        "N = V[0]\nV *= 2.0\nV = V + N",
    ),
    ("N = V[:, [0, 1, 2, 3]]\nV.mul_(2.0)\nV = V + N", "N = V.detach()\nN.mul_(0.5)", "N = V.clone()\nN.zero_()"),
    ("N = V.shape\nV.unsqueeze_(0)\nV = V.view(N[0], N[1])", "N = V.size(0)\nN += 1\nV = V * N"),
    ("N = V.size(0)\nM = N\nN *= 2\nV = V * N + M", "N, M = V.shape\nV = V.view(N, M) * N", "N = len(V)\nV = V[:N]"),
    (
        "if CONDITION:\n    V = LAYER",
        "if CONDITION:\n    V = FORMULA\nelse:\n    V = LAYER",
        "V = V * 2 if CONDITION else LAYER",
    ),
    ("for N in self.blocks:\n    V = N(V)", "for N, M in enumerate(self.blocks):\n    V = M(V) * (N + 1)"),
    (
        "for N in range(self.sizes[1]):\n    V = FORMULA",
        "for N, M in self.named.items():\n    V = M(V) if N == 'k' else V",
    ),
    ("N = [V, W]\nN.append(V * 2)\nV = torch.stack(N).sum(0)", "N = [t * 2 for t in (V, W)]\nV = N.pop() + N[0]"),
    ("N = {'a': V}\nN['b'] = LAYER\nV = N.pop('a') + N['b']", "N = {}\nN.update(a=V)\nV = N.get('b', W) + N['a']"),
    ("N = [V]\nM = N\nM.append(W)\nV = sum(N)", "N = (V, W)\nV, W = N[::-1]", "V, W = W, V", "N = [V, W]\nV = N[-1]"),
    ("def N(t, k=2.0):\n    return t * k + W\nV = N(V) + N(V, k=0.5)", "N = lambda t: t + V\nV = N(W)"),
    (
        "def N():\n    yield V\n    yield LAYER\nV = sum(N())",
        "V = sum(map(torch.tanh, [V, W]))",
        "V = max([V], key=id)",
    ),
    ("V = self.inner0(V)", "V = self.inner1(V, W)", "V = self.inner2(V, other=W)", "V = self.inner3(x=V, scale=0.5)"),
    ("N, M = self.pair(V, W)\nV = N + M", "N = self.mapping({'x': V, 'y': W})\nV = N['s'] * N['parts'][0]"),
    (
        "self.count += 1\nV = V + self.count",
        "self.running.mul_(0.9).add_(V.detach().mean(0) * 0.1)\nV = V + self.running",
    ),
    ("N, M = self.attn(V[None], V[None], W[None], need_weights=False)\nif M is None:\n    V = N[0]",),
    ("N, M = self.attn(V[None], V[None], W[None])\nV = N[0] * M.mean()", "(N := LAYER)\nV = N + V"),
    ("match V:\n    case torch.Tensor():\n        V = LAYER\n    case _:\n        V = V * 3",),
    (
        "N, M = self.same(V)\nV = LAYER if N is M else N",
        "N = {V: LAYER}\nV = N[V]",
        "V = LAYER if not torch.overrides.has_torch_function((V,)) else V",
        "V = V / np.sqrt(4) * np.float32(0.3)",
        "V = self.blocks[0](V) + self.head(V)",
    ),
    (
        "N = W\nif N is W:\n    V = LAYER",
        "assert isinstance(V, torch.Tensor)",
        "N = V.sum()\nV = V + N",
        "V = dispatched(V)",
    ),
)
HARD = (
    "if V.sum() > 0:\n    V = LAYER",
    "if V.dim() == 2:\n    V = LAYER",
    "if len(V.shape) == 2:\n    V = LAYER",
    "if V.shape[0] > 2 and V.ndim < 4:\n    V = LAYER",
    "if V.is_cuda or V.requires_grad:\n    V = LAYER",
    "if V.dtype == torch.float32:\n    V = LAYER",
    "if self.training:\n    V = LAYER",
    "if not self.norm.training:\n    V = -V",
    "try:\n    V = V.view(5, 5)\nexcept RuntimeError:\n    V = LAYER",
    "try:\n    if V.sum() > 0:\n        V = LAYER\nexcept Exception:\n    pass",
    "try:\n    V = LAYER\nfinally:\n    V = V * 2",
    "with torch.no_grad():\n    V = LAYER",
    "with torch.autocast('cpu', dtype=torch.bfloat16):\n    V = self.a(V)\nV = V.float()",
    "if torch.is_grad_enabled():\n    V = LAYER",
    "if random.random() < 0.5:\n    V = LAYER",
    "self.calls += 1\nV = V * self.calls",
    "self.last = V",
    "self.log.append(1)\nV = V * len(self.log)",
    "for N in V:\n    V = V + N",
    "for N in V.chunk(2):\n    V = V * N.mean()",
    "V = V * float(V.sum())",
    "N = f'{V.shape[0]}'\nV = LAYER if N == '3' else V",
    "V = V[: int(V.size(0) / 1)]",
    "if V in [W, self.p]:\n    V = LAYER",
    "if V == None:\n    V = LAYER",
    "V = Straight.apply(V)",
    "V = cached(4) + V",
    "COUNTER[0] += 1\nV = V * (COUNTER[0] % 3)",
    "N = V.contiguous()\nif N is V:\n    V = LAYER",
    "N = F.relu(V, inplace=True)\nif N is V:\n    V = LAYER",
    "V = V * max(V.size(0), 2)",
    "V = torch.from_numpy(np.tanh(V.detach().numpy()))",
    "V.note = 3\nV = V * V.note",
    "N = self.table * 2\nN.add_(V.sum())\nV = V + N",
    "self.table.add_(1.0)\nV = V + self.table",
    "V = V + torch.bernoulli(self.table * 0.5)",
    "self.buf = self.buf + 1\nV = V + self.buf",
    "V = copy.copy(V)",
    "N = V.detach().clone()\nif bool((N > 0).any()):\n    V = LAYER",
    "N = [V]\nself.grow(N)\nV = sum(N)",
    "V = self.inner0(V)\nV = self.inner0(V, W)",
    "V = sum(q.pow(2).sum() for q in self.parameters()) + V",
    "N = repr(V)\nif 'Proxy' in N or 'Traced' in N:\n    V = LAYER",
    "with contextlib.suppress(RuntimeError):\n    V = V.view(5, 5)",
    "N = (V * 0 == 0).all()\nV = V * N.item()",
    "V = V * (V.tolist()[0][0] + 1)",
    "if V.grad is None:\n    V = LAYER",
    "for N in range(V.size(0)):\n    V = V + N",
    "V = V[torch.randperm(len(V))]",
    "N = V.unbind()\nV = torch.stack(N) * len(N)",
    "N, *M = V.shape\nV = V * N",
    "V = V.expand(*V.shape)",
    "if any(t is V for t in (W, V)):\n    V = LAYER",
    "V = torch.tensor([[float(len(V))]]) + V",
    "self.a.weight.data.mul_(0.5)\nV = self.a(V)",
    "V = V.apply_(abs)",
    "if type(V.tolist()) is list:\n    V = LAYER",
    "V = bool(V.any()) * V",
    "V = sorted([V, W], key=lambda t: t.sum())[0]",
    "N = self.unknown(V)\nif N is None:\n    N = LAYER\nV = N",
    "N = self.unknown(V)\nV = N if isinstance(N, torch.Tensor) else V",
    "if self.a.weight.requires_grad:\n    V = LAYER",
    "if self.p.shape[0] == 4:\n    V = LAYER",
    "V = V * torch.initial_seed()",
    "N = time.perf_counter()\nV = V * (N % 1)",
    "V = torch.utils.checkpoint.checkpoint(self.a, V, use_reentrant=False)",
    "V = V * {3: 2.0}.get(V.size(0), 0.5)",
    "V = LAYER if V.dtype in {torch.float32} else V",
    "V = LAYER if id(V) == id(V.contiguous()) else V",
    "V = LAYER if operator.is_(V, V.contiguous()) else V",
    "match V.shape:\n    case (_, N):\n        V = LAYER * N",
    "V = LAYER if self.random.random() < 0.5 else V",
    "V = V * next(self.cycle)",
    "self.queue.append(1)\nV = V if len(self.queue) < 4 else -V",
    "V = counted(V)",
    "self.norm.eval()\nV = self.norm(V)",
    "V = V * self.view",
    "V = V + (self.view * 2)",
    "N = {'a': V.contiguous()}\nV = LAYER if N['a'] is V else V",
)
RETURNS = (
    "V",
    "V",
    "V",
    "(V, W)",
    "[V, W]",
    "{'a': V, 'b': (W,)}",
    "(V, {'n': [W, V]})",
    "(V, None, 3)",
    "V, V.size(0)",
)

_HEAD = """
import collections
import collections.abc
import contextlib
import copy
import functools
import itertools
import math
import operator
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint

import retiarii.nn.pytorch as nn

COUNTER = [0]
INDEX = torch.zeros(3, 1, dtype=torch.long)


def scaled(t, factor=2.0):
    if not isinstance(t, torch.Tensor):
        return t
    return t * factor


@functools.lru_cache
def cached(n):
    return torch.ones(1, n) * 2


@functools.singledispatch
def dispatched(t):
    return t


@dispatched.register
def _(t: torch.Tensor):
    return t * 3


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, t):
        return t.round()

    @staticmethod
    def backward(ctx, g):
        return g


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, other=None, *, scale=1.0):
        y = self.layer(x)
        if other is not None:
            y = y + other
        if other is x:
            y = y * 2
        return y * scale


def counted(t, calls=[0]):
    calls[0] += 1
    return t if calls[0] < 4 else -t


class Same(nn.Module):
    def forward(self, x):
        y = x * 2
        return y, y


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, y):
        if x is y:
            return self.layer(x), y * 2
        return self.layer(x), [y][0]


class Mapping(nn.Module):
    def forward(self, batch):
        x, y = batch["x"], batch["y"]
        return {"s": x + y, "parts": [x * y, (x, y)]}


class Grow(nn.Module):
    def forward(self, items):
        items.append(items[0] * 2)


@nn.basic_unit
class Unknown(nn.Module):
    def forward(self, x):
        return None if x.sum() > 0 else x


@nn.basic_unit
class Wrapped(nn.Module):
    def __init__(self, scale=0.5):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return x * self.scale if x.mean() > 0 else x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4, bias=True)
        self.norm, self.drop, self.act = nn.BatchNorm1d(4), nn.Dropout(0.3), nn.ReLU(inplace=INPLACE)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh())])
        self.named = nn.ModuleDict({"k": nn.Linear(4, 4), "m": nn.Identity()})
        self.choice = nn.LayerChoice([nn.Linear(4, 4), nn.Tanh()], label="choice")
        self.attn, self.gru = nn.MultiheadAttention(4, 2, batch_first=True), nn.GRU(4, 4)
        self.inner0, self.inner1, self.inner2, self.inner3 = Inner(), Inner(), Inner(), Inner()
        self.pair, self.mapping, self.grow = Pair(), Mapping(), Grow()
        self.unknown, self.wrapped = Unknown(), Wrapped()
        self.p, self.extra = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(2))
        self.register_buffer("buf", torch.randn(4))
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("running", torch.zeros(4))
        self.register_buffer("nothing", None)
        self.table = torch.linspace(0, 1, 4)
        self.view, self.same, self.head = self.p.detach(), Same(), self.blocks[1][0]
        self.random, self.cycle, self.queue = random.Random(0), itertools.cycle([1.0, 2.0]), collections.deque()
        self.scale, self.flag, self.sizes, self.calls, self.log, self.last = SCALE, FLAG, [2, 2], 0, [], None

    def helper(self, t, *, layer=None):
        layer = layer or self.a
        return layer(t) if callable(layer) and not callable(t) else t

"""


@dataclass(frozen=True)
class RandomModule:
    """One draw.

    Attributes:
        net: The module, with one choice, ``"choice"``.
        source: Its ``forward``.
        hard: The statement that may be refused, if there is one.
    """

    net: nn.Module
    source: str
    hard: str | None

    def inputs(self, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return arguments of ``forward``."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(ROWS, WIDTH, generator=generator), torch.randn(ROWS, WIDTH, generator=generator)


def random_module(seed: int) -> RandomModule:
    """Draw a module; the same seed gives the same one, with the same weights."""
    draw = _Draw(random.Random(seed))
    hard = draw.choice(HARD) if draw.random() < 0.25 else None
    statements = [draw.choice(draw.choice(EASY)) for _ in range(draw.randint(2, 6))]
    if hard is not None:
        statements.insert(draw.randint(0, len(statements)), hard)
    lines = [line for statement in statements for line in draw.filled(statement).splitlines()]
    lines.append(f"return {draw.filled(draw.choice(RETURNS))}")
    forward = "    def forward(self, x, y, gain=1.0):\n" + "".join(f"        {line}\n" for line in lines)
    head = _HEAD.replace("INPLACE", str(draw.flip())).replace("SCALE", str(draw.choice((0.25, 0.5))))
    text = head.replace("FLAG", str(draw.flip())) + forward
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = _module_of(text, seed).Net()
    return RandomModule(net, forward, hard)


class _Draw(random.Random):
    """Fills the capitals in statements: ``V`` and ``W`` are variables, ``N`` and ``M`` new names."""

    def __init__(self, source: random.Random) -> None:
        super().__init__(source.getrandbits(64))
        self._count = 0

    def flip(self) -> bool:
        return self.random() < 0.5

    def filled(self, statement: str) -> str:
        for mark, options in (("CONDITION", CONDITIONS), ("LAYER", LAYERS), ("FORMULA", FORMULAS)):
            while mark in statement:
                statement = statement.replace(mark, self.choice(options), 1)
        v, w = self.sample(("x", "y"), 2) if self.random() < 0.85 else ("x", "x")
        self._count += 1
        names = {"V": v, "W": w, "N": f"n{self._count}", "M": f"m{self._count}"}
        return "".join(self._words(statement, names))

    @staticmethod
    def _words(statement: str, names: dict[str, str]) -> list[str]:
        found, word = [], ""
        for letter in statement + " ":
            if letter.isalnum() or letter == "_":
                word += letter
                continue
            found += [names.get(word, word), letter]
            word = ""
        return found[:-1]


def _module_of(text: str, seed: int) -> types.ModuleType:
    """Import a source text as a module of its own, whose lines tracebacks and ``inspect`` find."""
    name = f"random_module_{seed}"
    module = types.ModuleType(name)
    module.__file__ = f"/random/{name}.py"
    linecache.cache[module.__file__] = (len(text), None, text.splitlines(keepends=True), module.__file__)
    sys.modules[name] = module
    exec(compile(text, module.__file__, "exec"), vars(module))
    return module


def forget(seed: int) -> None:
    """Forget the module of a seed."""
    sys.modules.pop(f"random_module_{seed}", None)
    linecache.cache.pop(f"/random/random_module_{seed}.py", None)
