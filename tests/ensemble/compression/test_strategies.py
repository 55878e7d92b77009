import pytest

from ensemble.compression.strategies import CONTROLS, STRATEGIES, keep_fraction, with_controls


@pytest.mark.parametrize(("ratio", "keep"), [(1, 1), (2, 0.473684), (4, 0.210526), (8, 0.078947), (16, 0.013158)])
def test_the_share_of_weights_to_keep_makes_the_ratio_of_all_parameters(ratio, keep):
    share = keep_fraction(1_000_000, 50_000, ratio)
    assert share == pytest.approx(keep, abs=5e-7)
    assert 1_000_000 / (50_000 + share * 950_000) == pytest.approx(ratio)


def test_a_ratio_beyond_the_parameters_that_are_never_pruned_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"50,000 of 1,000,000 parameters are never pruned .* below 20.0"):
        keep_fraction(1_000_000, 50_000, 32)
    with pytest.raises(ValueError, match="at least 1"):
        keep_fraction(1_000_000, 50_000, 0.5)


def test_every_strategy_gets_the_random_control_of_its_kind():
    for strategy in STRATEGIES:
        added = [name for name in with_controls((strategy,)) if name in CONTROLS]
        assert len(added) == 1
        assert strategy in CONTROLS[added[0]]
