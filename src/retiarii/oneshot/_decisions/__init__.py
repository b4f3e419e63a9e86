"""The decisions of a supernet, and how architecture parameters set them."""
