import numpy as np
import pytest
from keras import ops

from ensemble.networks import schedules
from ensemble.networks.schedules import Stairs


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0), (250, 0.0015), (500, 0.003), (3000, 0.003), (3001, 0.0003), (9001, 3e-6), (10_000, 0)]
)
def test_the_hyperrule_of_the_competitions_size_is_the_papers(step, rate):
    rule = schedules.hyperrule(40_479)
    assert rule.at(step) == pytest.approx(rate)
    assert float(ops.convert_to_numpy(Stairs(rule)(step))) == pytest.approx(rate)
    assert rule.steps[-1] == 10_000


@pytest.mark.parametrize("chips", [1, 702, 19_999, 20_000, 499_999, 500_000])
def test_mixup_and_length_follow_from_the_size(chips):
    rule = schedules.hyperrule(chips)
    assert rule.mixup == (0.1 if chips >= 20_000 else 0)
    assert rule.steps[-1] == (500 if chips < 20_000 else 10_000 if chips < 500_000 else 20_000)


def test_another_batch_shows_as_many_chips_at_a_rate_in_proportion():
    whole, small = schedules.hyperrule(702), schedules.hyperrule(702, 16)
    assert small.steps[-1] * 16 == whole.steps[-1] * 512
    assert small.rate / whole.rate == pytest.approx(16 / 512)


def test_stairs_are_the_rule_at_every_step():
    rule = schedules.hyperrule(702, 256)
    steps = np.arange(0, rule.steps[-1] + 3)
    found = [float(ops.convert_to_numpy(Stairs(rule)(int(step)))) for step in steps[::7]]
    np.testing.assert_allclose(found, [rule.at(int(step)) for step in steps[::7]], rtol=1e-6)
