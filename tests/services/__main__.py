"""Installs or builds what the tests start."""
