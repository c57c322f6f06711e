"""Model tests are many small tensors: one thread is faster than handing them around."""

import torch

torch.set_num_threads(1)
