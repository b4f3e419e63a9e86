"""Arguments of Lightning 1, and arguments that do not exist."""

import warnings

import pytest
import pytorch_lightning
import torch
from torch.utils.data import TensorDataset

import retiarii.evaluator.pytorch.lightning as pl
from retiarii.errors import ArgumentError, EvaluatorError
from retiarii.evaluator import FunctionalEvaluator
from retiarii.evaluator.pytorch._lightning_arguments import modern_arguments


class Watch(pytorch_lightning.Callback):
    pass


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"gpus": 1}, {"accelerator": "gpu", "devices": 1}),
        ({"gpus": [0, 2]}, {"accelerator": "gpu", "devices": [0, 2]}),
        ({"gpus": 0}, {"accelerator": "cpu"}),
        ({"gpus": None}, {}),
        ({"gpus": 2, "accelerator": "ddp"}, {"accelerator": "gpu", "devices": 2, "strategy": "ddp"}),
        ({"distributed_backend": "ddp_spawn"}, {"strategy": "ddp_spawn"}),
        ({"num_processes": 2}, {"accelerator": "cpu", "devices": 2}),
        ({"tpu_cores": 8}, {"accelerator": "tpu", "devices": 8}),
        ({"progress_bar_refresh_rate": 0}, {"enable_progress_bar": False}),
        ({"progress_bar_refresh_rate": 1}, {"enable_progress_bar": True}),
        ({"weights_summary": None}, {"enable_model_summary": False}),
        ({"weights_summary": "top"}, {"enable_model_summary": True}),
        ({"checkpoint_callback": False}, {"enable_checkpointing": False}),
        ({"reload_dataloaders_every_epoch": True}, {"reload_dataloaders_every_n_epochs": 1}),
        ({"terminate_on_nan": True}, {"detect_anomaly": True}),
        ({"replace_sampler_ddp": False}, {"use_distributed_sampler": False}),
        ({"weights_save_path": "here"}, {"default_root_dir": "here"}),
        ({"row_log_interval": 5}, {"log_every_n_steps": 5}),
        ({"auto_select_gpus": True, "process_position": 1}, {}),
        ({"auto_lr_find": False, "resume_from_checkpoint": None}, {}),
        ({"gpus": 1, "devices": 3}, {"accelerator": "gpu", "devices": 3}),
        ({"max_steps": None, "accelerator": None, "max_epochs": None}, {"max_epochs": None}),
        ({"accelerator": None, "gpus": 0}, {"accelerator": "cpu"}),
    ],
)
def test_an_argument_of_lightning_1_is_translated_and_the_warning_shows_how(old, new):
    with pytest.warns(FutureWarning, match="Arguments of Lightning 1 for Trainer") as caught:
        assert modern_arguments(old) == new
    assert all(name in str(caught[0].message) for name in old if name not in ("devices", "max_epochs"))
    assert len(caught) == 1


def test_callbacks_come_from_several_arguments():
    with pytest.warns(FutureWarning, match=r"is now callbacks=\[Watch\(\.\.\.\)\]"):
        modern = modern_arguments(
            {"checkpoint_callback": Watch(), "progress_bar_refresh_rate": 7, "callbacks": Watch()}
        )
    kinds = [type(callback).__name__ for callback in modern["callbacks"]]
    assert kinds == ["Watch", "Watch", "TQDMProgressBar"]
    with pytest.warns(FutureWarning, match="weights_summary"):
        assert len(modern_arguments({"weights_summary": "full"})["callbacks"]) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resume_from_checkpoint": "a.ckpt"}, r"fit_kwargs=\{'ckpt_path'"),
        ({"auto_lr_find": True}, "search the learning rate"),
        ({"stochastic_weight_avg": True}, "StochasticWeightAveraging"),
        ({"max_epoch": 3}, "Trainer has no argument 'max_epoch'. Did you mean 'max_epochs'?"),
        ({"zzz": 3}, "Trainer has no argument 'zzz'"),
    ],
)
def test_what_cannot_be_translated_says_what_to_do(given, message):
    with pytest.raises(ArgumentError, match=message):
        pl.Trainer(**given)


def test_an_evaluator_names_its_own_arguments_too():
    with pytest.raises(ArgumentError, match=r"Classification has no argument 'learnig_rate', nor.*'learning_rate'"):
        pl.Classification(learnig_rate=0.1)
    with pytest.raises(ArgumentError, match=r"Regression has no argument 'max_epoch', nor.*'max_epochs'"):
        pl.Regression(max_epoch=0.1)


def test_a_script_for_lightning_1_trains_and_is_warned_once():
    data = TensorDataset(torch.randn(8, 2), torch.randint(0, 2, (8,)))
    with pytest.warns(FutureWarning, match="weights_summary=None is now enable_model_summary=False") as caught:
        evaluator = pl.Classification(
            train_dataloader=pl.DataLoader(data, batch_size=4),
            val_dataloaders=pl.DataLoader(data, batch_size=4),
            max_epochs=1,
            gpus=0,
            progress_bar_refresh_rate=0,
            weights_summary=None,
            checkpoint_callback=False,
        )
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 <= evaluator.evaluate(torch.nn.Linear(2, 2))["default"] <= 1
    assert isinstance(evaluator.trainer, pl.Trainer)
    assert not isinstance(evaluator, FunctionalEvaluator)


def test_losses_and_optimizers_are_found_by_name_or_named():
    assert isinstance(pl.Classification(criterion="NLLLoss", optimizer="SGD").module.criterion, torch.nn.NLLLoss)
    for arguments, message in [
        ({"optimizer": "Adamm"}, "optimizer is 'Adamm', which is no class of torch.optim. Did you mean 'Adam'?"),
        ({"criterion": "CrossEntropy"}, "criterion is 'CrossEntropy', .* Did you mean 'CrossEntropyLoss'?"),
        ({"criterion": 3}, "criterion is 3, expected a class of torch.nn"),
    ]:
        with pytest.raises(EvaluatorError, match=message):
            pl.Classification(**arguments)
    with pytest.raises(EvaluatorError, match=r"lightning_module is a class \(ClassificationModule, not an instance"):
        pl.Lightning(pl.ClassificationModule, pl.Trainer())
