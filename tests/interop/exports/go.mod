module github.com/hibiken/asynq/exports

go 1.24.0
