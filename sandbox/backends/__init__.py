"""The places where programs can run: local fork servers, containers, a cloud, and the nodes of a cluster."""
