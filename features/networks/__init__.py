"""Backbones: built and trained by Keras, exported to and run by OpenVINO."""
