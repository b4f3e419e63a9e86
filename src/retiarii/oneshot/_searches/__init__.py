"""Running searches: what a strategy does at each step, independent of the training loop."""
