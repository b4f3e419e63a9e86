"""The random mutator of the guide of NNI, written with the names that the guide uses."""

import numpy as np
import torch

from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.classic.pytorch.mutator import Mutator


class CoinMutator(Mutator):
    """Draws one layer, and tosses a coin for each input or draws as many as are wanted."""

    def __init__(self, model):
        super().__init__(model)

    def sample_search(self):
        result = {}
        for mutable in self.mutables:
            if isinstance(mutable, LayerChoice):
                gen_index = np.random.randint(mutable.length)
                flags = [index == gen_index for index in range(mutable.length)]
                result[mutable.key] = torch.tensor(flags, dtype=torch.bool)
            elif isinstance(mutable, InputChoice):
                if mutable.n_chosen is None:
                    result[mutable.key] = torch.randint(high=2, size=(mutable.n_candidates,)).view(-1).bool()
                else:
                    order = np.random.permutation(mutable.n_candidates)[: mutable.n_chosen]
                    flags = [index in order for index in range(mutable.n_candidates)]
                    result[mutable.key] = torch.tensor(flags, dtype=torch.bool)
        return result

    def sample_final(self):
        return self.sample_search()
