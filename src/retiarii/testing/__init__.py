"""Tests that implementations of our interfaces share, for us and for third parties. Needs pytest.

A new strategy passes the contract when this class does::

    from retiarii.testing.strategies import StrategyConformance

    class TestMyStrategy(StrategyConformance):
        @pytest.fixture
        def strategy(self):
            return MyStrategy(option=3)

`retiarii.testing.spaces` is the zoo of search spaces that it runs on, `retiarii.testing.tables` reads real results
to search in. The package itself never imports this room.
"""
