import functools

from retiarii.execution import InProcessExecutor, TemplateExecutor
from retiarii.testing.execution import ExecutorConformance, IsolatedExecutorConformance


class TestInProcessExecutor(ExecutorConformance):
    make_executor = InProcessExecutor


class TestTemplateExecutor(IsolatedExecutorConformance):
    make_executor = TemplateExecutor


class TestSpawningTemplateExecutor(IsolatedExecutorConformance):
    make_executor = staticmethod(functools.partial(TemplateExecutor, start_method="spawn"))
