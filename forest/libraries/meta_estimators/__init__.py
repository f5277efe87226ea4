"""scikit-learn's estimators around a model: searches, frozen models, calibration and thresholds, as an ensemble."""
