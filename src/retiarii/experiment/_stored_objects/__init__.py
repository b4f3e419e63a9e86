"""The model, evaluator and strategy of an experiment as a signed file, with which it is resumed."""
