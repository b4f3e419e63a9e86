"""Records of HW-NAS-Bench, as queries return them: dicts with these keys."""

from __future__ import annotations

from typing import TypedDict

HARDWARE_DATASETS = ("cifar10", "cifar100", "imagenet16-120")
PUBLISHED_DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}

HARDWARE_METRICS = (
    "edgegpu_latency",
    "edgegpu_energy",
    "raspi4_latency",
    "edgetpu_latency",
    "pixel3_latency",
    "eyeriss_latency",
    "eyeriss_energy",
    "eyeriss_arithmetic_intensity",
    "fpga_latency",
    "fpga_energy",
)
"""The costs of each network: latencies in milliseconds, energies in millijoules."""


class HwNasConfig(TypedDict):
    """Which network was measured.

    Attributes:
        arch: The operator of each edge ``0_1``, ``0_2``, ``1_2``, ``0_3``, ``1_3``, ``2_3``, as in
            `retiarii.benchmarks.nasbench201.Nb201TrialConfig`.
        dataset: ``"cifar10"``, ``"cifar100"`` (images of 32 x 32 pixels) or ``"imagenet16-120"`` (16 x 16).
    """

    arch: dict[str, str]
    dataset: str


class HwNasStats(TypedDict):
    """The costs of one network for one image, on six devices. What was not measured is None.

    Attributes:
        config: Which network.
        edgegpu_latency: Milliseconds on an NVIDIA Jetson TX2, measured.
        edgegpu_energy: Millijoules on it, measured.
        raspi4_latency: Milliseconds on a Raspberry Pi 4, measured.
        edgetpu_latency: Milliseconds on a Google Edge TPU (Dev Board), measured. 4,699 cells have none.
        pixel3_latency: Milliseconds on a Google Pixel 3, measured.
        eyeriss_latency: Milliseconds on the accelerator Eyeriss (an ASIC), estimated by simulators.
        eyeriss_energy: Millijoules on it, estimated.
        eyeriss_arithmetic_intensity: Operations per byte that it moves, estimated.
        fpga_latency: Milliseconds on a Xilinx ZC706 board (an FPGA), estimated from its synthesis.
        fpga_energy: Millijoules on it, estimated.
    """

    config: HwNasConfig
    edgegpu_latency: float | None
    edgegpu_energy: float | None
    raspi4_latency: float | None
    edgetpu_latency: float | None
    pixel3_latency: float | None
    eyeriss_latency: float | None
    eyeriss_energy: float | None
    eyeriss_arithmetic_intensity: float | None
    fpga_latency: float | None
    fpga_energy: float | None
