"""The code blocks of the specification (documents 1 and 5) that use NNI, word for word."""

# ruff: noqa: E501 - word for word

BASE_MODEL = """\
import torch.nn.functional as F
import nni.retiarii.nn.pytorch as nn

@basic_unit
class BasicBlock(nn.Module):
  def __init__(self, const):
    self.const = const
  def forward(self, x):
    return x + self.const

class ConvPool(nn.Module):
  def __init__(self):
    super().__init__()
    self.conv = nn.Conv2d(32, 1, 5)  # possibly mutate this conv
    self.pool = nn.MaxPool2d(kernel_size=2)
  def forward(self, x):
    return self.pool(self.conv(x))

class Model(nn.Module):
  def __init__(self):
    super().__init__()
    self.convpool = ConvPool()
    self.mymodule = BasicBlock(2.)
  def forward(self, x):
    return F.relu(self.convpool(self.mymodule(x)))
"""

LAYER_CHOICE = """\
# import nni.retiarii.nn.pytorch as nn
# declared in `__init__` method
self.layer = nn.LayerChoice([
  ops.PoolBN('max', channels, 3, stride, 1),
  ops.SepConv(channels, channels, 3, stride, 1),
  nn.Identity()
]))
# invoked in `forward` method
out = self.layer(x)
"""

INPUT_CHOICE = """\
# import nni.retiarii.nn.pytorch as nn
# declared in `__init__` method
self.input_switch = nn.InputChoice(n_chosen=1)
# invoked in `forward` method, choose one from the three
out = self.input_switch([tensor1, tensor2, tensor3])
"""

VALUE_CHOICE = """\
# import nni.retiarii.nn.pytorch as nn
# used in `__init__` method
self.conv = nn.Conv2d(XX, XX, kernel_size=nn.ValueChoice([1, 3, 5])
self.op = MyOp(nn.ValueChoice([0, 1]), nn.ValueChoice([-1, 1]))
"""

SHARED_LABEL = """\
self.net = nn.Sequential(
    nn.Linear(10, nn.ValueChoice([32, 64, 128], label='hidden_dim'),
    nn.Linear(nn.ValueChoice([32, 64, 128], label='hidden_dim'), 3)
)
"""

STRATEGY = """\
import nni.retiarii.strategy as strategy

search_strategy = strategy.Random(dedup=True)  # dedup=False if deduplication is not wanted
"""

EVALUATOR = """\
import nni.retiarii.evaluator.pytorch.lightning as pl
from nni.retiarii import serialize
from torchvision import transforms

transform = serialize(transforms.Compose, [serialize(transforms.ToTensor()), serialize(transforms.Normalize, (0.1307,), (0.3081,))])
train_dataset = serialize(MNIST, root='data/mnist', train=True, download=True, transform=transform)
test_dataset = serialize(MNIST, root='data/mnist', train=False, download=True, transform=transform)
evaluator = pl.Classification(train_dataloader=pl.DataLoader(train_dataset, batch_size=100),
                              val_dataloaders=pl.DataLoader(test_dataset, batch_size=100),
                              max_epochs=10)
"""

EXPERIMENT = """\
exp = RetiariiExperiment(base_model, trainer, None, simple_strategy)
exp_config = RetiariiExeConfig('local')
exp_config.experiment_name = 'mnasnet_search'
exp_config.trial_concurrency = 2
exp_config.max_trial_number = 10
exp_config.training_service.use_active_gpu = False
exp.run(exp_config, 8081)
"""

MULTI_TRIAL = """\
>>> base_model = Net()
>>> search_strategy = strategy.Random()
>>> model_evaluator = FunctionalEvaluator(evaluate_model)
>>> exp = RetiariiExperiment(base_model, model_evaluator, [], search_strategy)
>>> exp_config = RetiariiExeConfig('local')
>>> exp_config.trial_concurrency = 2
>>> exp_config.max_trial_number = 20
>>> exp_config.training_service.use_active_gpu = False
>>> exp.run(exp_config, 8081)
"""

ONE_SHOT = """\
>>> base_model = Net()
>>> search_strategy = strategy.DARTS()
>>> evaluator = pl.Classification(train_dataloader=train_loader, val_dataloaders=valid_loader)
>>> exp = RetiariiExperiment(base_model, evaluator, [], search_strategy)
>>> exp_config = RetiariiExeConfig()
>>> exp_config.execution_engine = 'oneshot'  # must be set of one-shot strategy
>>> exp.run(exp_config)
"""

TOP_MODELS = """\
>>> for model_dict in exp.export_top_models(formatter='dict'):
...     print(model_dict)
>>> with nni.retarii.fixed_arch(model_dict):
...     final_model = Net()
"""

FIXED_ARCH = """\
with fixed_arch('/path/to/export.json'):
    model = Model(3, 224, 224)
"""

BASIC_UNIT = """\
@basic_unit
class PrimitiveOp(nn.Module):
    ...
"""

MODEL_WRAPPER = """\
@model_wrapper
class MyModel(nn.Module):
    ...
"""

STATE_DICT_FROM_SUPERNET = """\
with original_state_dict_hooks(model):
    model.load_state_dict(state_dict_from_supernet, strict=False)  # supernet has extra keys
"""

STATE_DICT_FOR_SUPERNET = """\
with original_state_dict_hooks(model):
    supernet_style_state_dict = model.state_dict()
"""
