"""What all ready spaces share: paper, size, published architectures; layers of several papers."""
