"""XGBoost's models, as files and pickles store them."""
