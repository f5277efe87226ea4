"""scikit-learn's pipelines: a model behind transformers, as an ensemble over the columns that the pipeline takes."""
