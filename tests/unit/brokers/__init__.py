"""Tests of the brokers' pure parts."""
