"""Files of fitted forests, read as data: pickles, skops, and folders of MLflow models. No code in them runs."""
