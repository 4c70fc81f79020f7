"""Tests of asynq_compat."""
