"""Networks as Python files, ONNX files and `torch.export` programs."""
