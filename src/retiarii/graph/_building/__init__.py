"""From a graph to a PyTorch module, and the checks that run one."""
