"""The kinds of Kubernetes objects that we read, each as a slim struct with the fields that we need and no value."""
