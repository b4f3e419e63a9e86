"""The modules of a supernet that stand in for choices, and how layers of different sizes share weights."""
