"""One run of an experiment: the plan, the loop over trials, executors, devices and kept files."""
