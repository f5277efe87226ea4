"""CatBoost's models, as its own files and pickles store them."""
