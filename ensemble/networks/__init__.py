"""Fine-tuned networks: settings, losses, schedules, batches and the training loop."""
