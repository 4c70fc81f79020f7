"""Examples of asynq_compat, one file per question."""
