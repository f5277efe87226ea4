"""LightGBM's models, as texts and pickles store them."""
