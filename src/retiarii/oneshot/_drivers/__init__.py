"""Training loops that drive a search: a plain one, Lightning's, and the search among trained subnets."""
