"""From a PyTorch model to FPGA hardware that computes the same bits, at a cost known before synthesis."""
