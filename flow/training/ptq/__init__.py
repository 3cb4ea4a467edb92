"""Post-training quantisation: pure functions, one file a method, and `apply` for any combination of them."""
