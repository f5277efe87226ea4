"""scikit-learn's tree ensembles, live or as a file stores them."""
