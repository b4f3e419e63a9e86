"""Convolutional spaces without cells, in which each layer is chosen: NAS-Bench-Macro, MobileNets, ShuffleNet."""
