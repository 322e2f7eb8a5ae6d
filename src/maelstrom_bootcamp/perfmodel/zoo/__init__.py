"""Networks by lot from eleven families: as a graph, as ONNX and as Keras models."""
