import os

import pytest

from retiarii.errors import ConfigError
from retiarii.execution import Limits
from retiarii.execution._devices import Device, DevicePool, cores_for_each


@pytest.fixture(autouse=True)
def _all_gpus_are_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_without_groups_trials_see_no_gpu():
    pool = DevicePool(None, 2)
    assert [pool.lease(), pool.lease()] == [Device("cpu", ""), Device("cpu", "")]


def test_a_group_is_leased_to_one_trial_at_a_time():
    pool = DevicePool([[0, 1], [2]], 2)
    first, second = pool.lease(), pool.lease()
    assert (first, second) == (Device("cuda:0,1", "0,1"), Device("cuda:2", "2"))
    pool.give_back(second)
    assert pool.lease() == second


def test_shared_gpus_are_loaded_evenly():
    pool = DevicePool([[0], [1], [0], [1]], 2)
    first, second = pool.lease(), pool.lease()
    pool.give_back(second)
    third = pool.lease()
    assert {first.label, third.label} == {"cuda:0", "cuda:1"}  # not two trials on one, and none on the other
    assert [pool.lease().label, pool.lease().label] == ["cuda:0", "cuda:1"]


def test_groups_that_share_a_gpu_are_leased_last():
    pool = DevicePool([[0, 1], [1, 2], [3]], 3)
    assert [pool.lease().visible for _ in range(3)] == ["0,1", "3", "1,2"]


def test_an_empty_group_is_the_cpu():
    assert DevicePool([[]], 1).lease() == Device("cpu", "")


def test_indices_count_what_this_process_sees(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-abc,7")
    pool = DevicePool([[0], [1, 2], ["GPU-xyz"]], 3)
    assert [pool.lease().visible for _ in range(3)] == ["5", "GPU-abc,7", "GPU-xyz"]


def test_hidden_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with pytest.raises(ConfigError, match=r"GPU 1.*shows this process 1 GPU"):
        DevicePool([[1]], 1)


def test_too_few_groups_are_refused():
    with pytest.raises(ConfigError, match=r"1 group\(s\) for 2 trials"):
        DevicePool([[0]], 2)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity of processes")
@pytest.mark.parametrize(("cores", "slots", "expected"), [(8, 1, 8), (8, 3, 2), (2, 2, 1), (1, 4, 1)])
def test_cores_are_shared_out(monkeypatch, cores, slots, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    assert cores_for_each(slots) == expected


@pytest.mark.parametrize("limits", [{"timeout_s": 0}, {"timeout_s": -1.0}, {"memory_bytes": 0}])
def test_limits_are_positive(limits):
    with pytest.raises(ConfigError, match=f"Limits.{next(iter(limits))} is"):
        Limits(**limits)
