"""Tests that implementations of our interfaces share, for us and for third parties. Needs pytest.

One module per interface: `retiarii.testing.strategies`, `retiarii.testing.evaluators`, `retiarii.testing.storage`,
`retiarii.testing.execution`. A new strategy, for example, keeps the contract when this class passes::

    from retiarii.testing.strategies import StrategyConformance

    class TestMyStrategy(StrategyConformance):
        @pytest.fixture
        def strategy(self):
            return MyStrategy(option=3)

`retiarii.testing.spaces` is a zoo of search spaces to run on, `retiarii.testing.tables` reads real results to search
in. The package itself never imports this room.
"""
