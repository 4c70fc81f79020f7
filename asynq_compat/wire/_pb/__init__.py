"""Generated from proto/asynq.proto by `make proto`."""
