"""What reporting does: folds its input logs, answers reads, rebuilds read models."""
