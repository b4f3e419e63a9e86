import logging
import os
import sys

import pytest

from retiarii.errors import ConfigError
from retiarii.experiment import RetiariiExeConfig
from retiarii.experiment._running.gpus import as_torch_counts, count_gpus
from retiarii.experiment._running.resources import Resources, allocate


def config(concurrency=1, gpus=None, **service):
    made = RetiariiExeConfig("local", trial_concurrency=concurrency, trial_gpu_number=gpus)
    for name, value in service.items():
        setattr(made.training_service, name, value)
    return made


def test_without_gpus_trials_share_the_cores():
    assert allocate(config(4), num_gpus=0) == Resources(4, None)


def test_each_trial_gets_its_own_gpu():
    assert allocate(config(2), num_gpus=4) == Resources(2, ((0,), (1,), (2,), (3,)))


def test_several_gpus_for_each_trial():
    assert allocate(config(2, gpus=2), num_gpus=5) == Resources(2, ((0, 1), (2, 3)))


def test_more_trials_than_gpus_are_said_and_cut(caplog):
    with caplog.at_level(logging.WARNING):
        assert allocate(config(8), num_gpus=2).slots == 2
    assert "max_trial_number_per_gpu" in caplog.text


def test_trials_may_share_a_gpu():
    assert allocate(config(4, max_trial_number_per_gpu=2), num_gpus=2).slots == 4


def test_gpus_in_use_are_left_alone_when_asked(caplog):
    with caplog.at_level(logging.WARNING):
        resources = allocate(config(2, use_active_gpu=False), num_gpus=2, busy=[0])
    assert resources.devices == ((1,),)
    assert "GPUs [0] are not used" in caplog.text


def test_no_gpu_is_touched_for_zero():
    assert allocate(config(2, gpus=0), num_gpus=8) == Resources(2, None)


def test_too_many_gpus_wanted():
    with pytest.raises(ConfigError, match="trial_gpu_number is 3, but the GPUs to use are"):
        allocate(config(1, gpus=3), num_gpus=2)
    with pytest.raises(ConfigError, match=r"names \[5\], but this machine has 2"):
        allocate(config(1, gpu_indices=[5]), num_gpus=2)


def test_gpus_in_use_are_a_remedy_only_where_they_are_left_alone():
    for active, is_offered in ((False, True), (None, False), (True, False)):
        with pytest.raises(ConfigError) as caught:
            allocate(config(2, gpus=3, use_active_gpu=active), num_gpus=2, busy=[0])
        assert ("use_active_gpu" in str(caught.value)) == is_offered


def test_gpus_in_use_are_counted_as_torch_counts_the_visible_ones():
    gpus = [("0", "GPU-aaaa"), ("1", "GPU-bbbb"), ("2", "GPU-cccc")]
    assert as_torch_counts(gpus, {"GPU-bbbb"}, None) == [1]
    assert as_torch_counts(gpus, {"GPU-bbbb"}, "2,1") == [1]
    assert as_torch_counts(gpus, {"GPU-bbbb"}, "GPU-b,GPU-c") == [0]
    assert as_torch_counts(gpus, {"GPU-bbbb"}, "0") == []


@pytest.mark.skipif(os.name != "posix", reason="makes a program of a script")
@pytest.mark.parametrize("script", ["exec sleep 60", "echo 'NVIDIA-SMI has failed'; exit 9"])
def test_a_tool_that_does_not_answer_leaves_all_gpus(script, tmp_path, monkeypatch, caplog):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("retiarii.experiment._running.gpus._SMI_S", 0.2)
    assert allocate(config(2, use_active_gpu=False), num_gpus=2).devices == ((0,), (1,))
    assert "is not known" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="makes a program of a script")
def test_where_torch_is_not_imported_the_tool_counts(tmp_path, monkeypatch, caplog):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0, GPU-aaaa\\n1, GPU-bbbb\\n2, GPU-cccc\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert count_gpus() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-a")
    assert allocate(config(2)).devices == ((0,), (1,))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert allocate(config(2)).devices is None
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert allocate(config(2)) == Resources(2, None)
    assert "is not known" in caplog.text
