"""Records of NATS-Bench, whose two spaces are published in one format: reading, storing and querying them."""
