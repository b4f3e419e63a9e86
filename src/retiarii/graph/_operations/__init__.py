"""What a node computes: operations, and the layers, functions and names behind them."""
