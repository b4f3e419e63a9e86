"""Processes, pipes and memory of the operating system, and the messages that processes exchange."""
