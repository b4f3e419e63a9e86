"""A tuner of another package, for layers and inputs: it varies one choice at a time and keeps what was better."""

import random

from retiarii.classic import NoMoreTrialError, Tuner


class CoordinateTuner(Tuner):
    def __init__(self, optimize_mode="maximize", max_rounds=3, seed=0):
        self.sign = 1 if optimize_mode == "maximize" else -1
        self.max_rounds = max_rounds
        self.random = random.Random(seed)
        self.best, self.best_value = None, None

    def update_search_space(self, search_space):
        self.space = search_space
        self.best = {name: self.draw(entry) for name, entry in search_space.items()}
        self.queue = [(name, number) for number in range(self.max_rounds) for name in search_space]
        self.is_first = True

    def draw(self, entry):
        if entry["_type"] == "layer_choice":
            index = self.random.randrange(len(entry["_value"]))
            return {"_value": entry["_value"][index], "_idx": index}
        candidates, wanted = entry["_value"]["candidates"], entry["_value"]["n_chosen"]
        number = self.random.randint(0, len(candidates)) if wanted is None else wanted
        chosen = self.random.sample(range(len(candidates)), number)
        return {"_value": [candidates[index] for index in chosen], "_idx": chosen}

    def generate_parameters(self, parameter_id, **kwargs):
        if self.is_first:
            self.is_first = False
            return dict(self.best)
        if not self.queue:
            raise NoMoreTrialError("every choice was varied")
        name, _ = self.queue.pop(0)
        return {**self.best, name: self.draw(self.space[name])}

    def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
        value = self.sign * (value["default"] if isinstance(value, dict) else value)
        if self.best_value is None or value > self.best_value:
            self.best, self.best_value = parameters, value

    def import_data(self, data):
        for item in data:
            self.receive_trial_result(None, item["parameter"], item["value"])
            self.is_first = False
        del self.queue[: len(data) - 1]
