"""What every pytest process and every notebook kernel that it starts shall see."""

import os

# Two workers on two cores: more threads each would only fight. Set before torch is imported; kernels inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
