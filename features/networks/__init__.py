"""Run backbones: Keras builds and trains them, OpenVINO runs them on a CPU, and Keras on a GPU."""
