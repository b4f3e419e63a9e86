"""Conformance tests of our interfaces, for implementations of ours and of third parties. Needs pytest.

There is one module per interface: `retiarii.testing.strategies`, `retiarii.testing.evaluators`,
`retiarii.testing.storage`, `retiarii.testing.execution`, `retiarii.testing.primitives`,
`retiarii.testing.oneshot_rules`, `retiarii.testing.mutators`. A new strategy, for example, keeps the contract if this
class passes::

    from retiarii.testing.strategies import StrategyConformance

    class TestMyStrategy(StrategyConformance):
        @pytest.fixture
        def strategy(self):
            return MyStrategy(option=3)

`retiarii.testing.spaces` has a zoo of search spaces, `retiarii.testing.tables` reads tables of real results. The rest
of the package never imports this room.
"""
