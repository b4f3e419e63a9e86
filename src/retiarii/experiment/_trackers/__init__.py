"""Callbacks that log trials to tracking tools: TensorBoard, MLflow and Weights & Biases."""
