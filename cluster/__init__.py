"""The Kubernetes wire: slim structs without values, lists and watches, how secrets reach pods; no Django."""
