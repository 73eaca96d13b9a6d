"""A product with the Gauss-Newton matrix by another library, in an interpreter that has it; `ggn.py` runs this.

curvlinops has such products. matfree has none: its users write jvp, M and vjp, which its Lanczos process then calls.
"""

import argparse
import json

import numpy as np
from usage import median

DEPTH = 8
"""Products of one Lanczos run."""


def curvlinops(x, theta, v, repeats):
    import torch
    from curvlinops import GGNLinearOperator
    from torch import nn

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = len(theta) // 2
            for name, leaf in theta.items():
                self.register_parameter(name, nn.Parameter(torch.as_tensor(leaf)))

        def forward(self, x):
            for i in range(self.count):
                x = x @ getattr(self, f"w{i}") + getattr(self, f"b{i}")
                x = torch.relu(x) if i < self.count - 1 else x
            return x

    model, labels = MLP(), torch.zeros(len(x), dtype=torch.long)
    data, loss = [(torch.as_tensor(x), labels)], nn.CrossEntropyLoss()
    G = GGNLinearOperator(model, loss, list(model.parameters()), data, check_deterministic=False)
    vector = [torch.as_tensor(v[name]) for name, _ in model.named_parameters()]
    seconds = median(lambda: G @ vector, repeats)
    return "curvlinops", seconds, sum(float((leaf**2).sum()) for leaf in G @ vector) ** 0.5


def matfree(x, theta, v, repeats):
    import jax
    import jax.numpy as jnp
    from matfree import decomp

    jax.config.update("jax_enable_x64", True)
    flat, unravel = jax.flatten_util.ravel_pytree(theta)

    def outputs(flat, x):
        params = unravel(flat)
        for i in range(len(params) // 2):
            x = x @ params[f"w{i}"] + params[f"b{i}"]
            x = jax.nn.relu(x) if i < len(params) // 2 - 1 else x
        return x

    def product(v, flat, x):
        z, u = jax.jvp(lambda flat: outputs(flat, x), (flat,), (v,))
        p = jax.nn.softmax(z)
        pulled = p * (u - (p * u).sum(axis=-1, keepdims=True)) / len(x)
        return jax.vjp(lambda flat: outputs(flat, x), flat)[1](pulled)[0]

    vector = jax.flatten_util.ravel_pytree(v)[0]
    run = jax.jit(lambda v, flat, x: decomp.tridiag_sym(DEPTH, reortho="none")(product, v, flat, x))
    seconds = median(lambda: jax.block_until_ready(run(vector, flat, x)), repeats) / DEPTH
    return f"matfree, of {DEPTH} in its Lanczos", seconds, float(jnp.linalg.norm(product(vector, flat, x)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("curvlinops", "matfree"))
    parser.add_argument("problem")
    parser.add_argument("--repeats", type=int, default=5)
    a = parser.parse_args()
    with np.load(a.problem) as file:
        theta, v = (
            {name.removeprefix(part): file[name] for name in sorted(file) if name.startswith(part)}
            for part in ("theta/", "v/")
        )
        x = file["x"]
    name, seconds, norm = {"curvlinops": curvlinops, "matfree": matfree}[a.side](x, theta, v, a.repeats)
    print(json.dumps({"name": name, "seconds": seconds, "norm": norm}))


if __name__ == "__main__":
    main()
