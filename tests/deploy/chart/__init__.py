"""The Helm chart, rendered by Helm itself and held against Kubernetes' schemas and our own checks."""
