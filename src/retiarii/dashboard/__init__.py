"""The dashboard: an HTTP API and pages that show the experiments of a store, live (extra ``dashboard``).

It runs as a process of its own, beside searches, reads the store, and never imports torch.
"""
