"""An evaluator that runs a program for each trial, and reads its results from what it prints.

The program gets the architecture as JSON on its standard input, and on its command line how long to train, from where
to go on and where to write. It prints a line ``name=value name=value`` after each epoch; the last one is the result.
"""

import json
import subprocess

from retiarii import Evaluator
from retiarii.errors import EvaluatorError


class CommandEvaluator(Evaluator):
    fidelities = ("epochs",)

    def __init__(self, command, epochs=5, rate=0.5):
        self.command = command
        self.epochs = epochs
        self.rate = rate

    def __repr__(self):
        return f"CommandEvaluator({self.command!r})"

    def evaluate(self, model, context):
        arguments = [
            *self.command,
            f"--epochs={int(context.fidelity.get('epochs', self.epochs))}",
            f"--seed={context.seed}",
            f"--rate={self.rate}",
        ]
        if context.folder is not None:
            arguments.append(f"--save={context.folder / 'program.json'}")
        if context.parent is not None:
            arguments.append(f"--continue={context.parent_folder / 'program.json'}")
        program = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            program.stdin.write(json.dumps(model.to_json()))
            program.stdin.close()
            metrics = None
            for line in program.stdout:
                metrics = {name: float(value) for name, _, value in (part.partition("=") for part in line.split())}
                context.report(metrics)  # may raise: the program must not outlive its trial
            code = program.wait()
        finally:
            program.kill()
            program.wait()
            program.stdout.close()
        if code:
            raise EvaluatorError(f"The program {self.command} ended with the exit code {code}.")
        return metrics
