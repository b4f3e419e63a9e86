"""Reinforcement learning: a policy over the architectures of a space, which learns by PPO."""
