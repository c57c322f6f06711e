"""How models are made: data, features, losses, loops."""
