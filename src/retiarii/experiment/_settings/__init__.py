"""Settings of an experiment: `RetiariiExeConfig`, durations and sizes, and the names of engines and executors."""
