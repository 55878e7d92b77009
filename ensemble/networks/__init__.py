"""Fine-tuned networks: settings, losses, schedules, batches, building and training."""
