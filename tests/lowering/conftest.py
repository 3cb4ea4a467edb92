"""Tests share the cores: one thread a process, or torch's threads wait for each other."""

import torch

torch.set_num_threads(1)
