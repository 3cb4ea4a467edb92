"""From the graph to files. An exporter takes a graph and returns `{path: content}`; only the writer touches disk."""
