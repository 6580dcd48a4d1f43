"""Runners: the only place that knows Hydra and the command line."""
