"""Contrastive pretraining of encoders, and what it makes of their space."""
