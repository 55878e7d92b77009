import pytest

from features.networks import backbones


@pytest.mark.parametrize(
    ("name", "kernel", "channels", "count"),
    [
        ("cbr_large_t", 7, (32, 64, 128, 256, 512), 8_538_592),
        ("cbr_small", 7, (32, 64, 128, 256), 2_114_016),
        ("cbr_tiny", 5, (32, 64, 128, 256), 1_079_520),
    ],
)
def test_the_networks_have_the_blocks_and_the_parameters_of_the_paper(name, kernel, channels, count):
    network = backbones.BACKBONES[name].make(input_shape=(96, 96, 3), include_top=False, weights=None)
    kernels = sum(kernel**2 * before * after for before, after in zip((3, *channels), channels, strict=False))
    assert network.count_params() == kernels + 4 * sum(channels) == count  # four weights a channel in the norms
    side = 96 // 2 ** len(channels)
    assert network.output.shape == (None, side, side, channels[-1])
