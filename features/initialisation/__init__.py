"""Choose what a network's weights are before training: pretrained, redrawn, or scaled so that signals keep their size.

It takes Keras models and knows no backbones.
"""
