"""Helpers for mutators and trainers of your own: nested mutables, averages of metrics, and batches on a device."""

from retiarii.classic.pytorch._mutable_tree import StructuredMutableTreeNode
from retiarii.oneshot.pytorch import AverageMeter, AverageMeterGroup, to_device

__all__ = ["AverageMeter", "AverageMeterGroup", "StructuredMutableTreeNode", "to_device"]
