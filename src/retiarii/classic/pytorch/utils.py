"""Helpers for trainers of your own: averages of metrics, and batches on a device."""

from retiarii.oneshot.pytorch import AverageMeter, AverageMeterGroup, to_device

__all__ = ["AverageMeter", "AverageMeterGroup", "to_device"]
