"""Tests of what a server and its worker processes are made of."""
