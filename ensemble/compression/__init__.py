"""Fewer numbers in a trained network: which weights and channels to remove, and what is then left to compute.

Terms and measures are those of Blalock et al. 2020, "What is the State of Neural Network Pruning?" (ShrinkBench).
"""
