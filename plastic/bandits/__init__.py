"""Bandits: arms, posteriors, and what is drawn from them."""

from plastic.bandits.posterior import SAMPLINGS, draw, standard_error

__all__ = ["SAMPLINGS", "draw", "standard_error"]
