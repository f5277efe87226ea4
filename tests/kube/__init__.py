"""The chart in a real cluster: `make kube-test` runs it against the one that KUBECONFIG names."""
