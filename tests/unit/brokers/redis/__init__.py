"""Tests of the pure parts of the Redis broker."""
