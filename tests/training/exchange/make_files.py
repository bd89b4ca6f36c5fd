"""Writes the files of tests/training/exchange/files with the real PyTorch 2.13 and Keras 3.15 (torch backend).

In an environment of their own: ``pip install torch keras safetensors h5py``, then ``python make_files.py FOLDER``. The
answers of each framework to ROWS stand in answers.npz, under the name of the file.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

os.environ["KERAS_BACKEND"] = "torch"
keras: Any = import_module("keras")  # neither is installed where the tests run
torch: Any = import_module("torch")

ROWS = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


def torch_models(folder: Path, answers: dict[str, np.ndarray]) -> None:
    nn = torch.nn
    torch.manual_seed(0)
    models = {
        "classes": nn.Sequential(
            nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, 5), nn.SiLU(), nn.Linear(5, 3)
        ),
        "activations": nn.Sequential(
            nn.Linear(4, 6), nn.GELU("tanh"), nn.Linear(6, 5), nn.LeakyReLU(), nn.Linear(5, 5, bias=False), nn.ELU(),
            nn.Linear(5, 4), nn.Mish(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1),
        ),
        "normed": nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)),
        "half": nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2)).to(torch.bfloat16),
    }  # fmt: skip
    for name, model in models.items():
        file = f"torch-{name}.safetensors"
        save_file(model.state_dict(), folder / file)
        with torch.no_grad():
            found = model.float().eval()(torch.from_numpy(ROWS))
        answers[file] = (torch.softmax(found, 1) if name == "classes" else found).numpy()


def keras_models(folder: Path, answers: dict[str, np.ndarray]) -> None:
    layers = keras.layers
    keras.utils.set_random_seed(0)
    plain = keras.Sequential([
        keras.Input((4,)), layers.Dense(6, activation="relu", name="first"), layers.Dropout(0.1),
        layers.Dense(5), layers.Activation("silu"), layers.Dense(3), layers.Softmax(),
    ])  # fmt: skip
    gelu = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="gelu"), layers.Dense(1)])
    normed = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    seeds = np.random.default_rng(1)
    for model in (plain, gelu, normed):
        for weight in model.weights:
            if "seed" not in weight.path:
                weight.assign(
                    np.abs(seeds.normal(size=weight.shape))
                    if "variance" in weight.path
                    else seeds.normal(size=weight.shape)
                )
    for model, file in (
        (plain, "keras.keras"),
        (plain, "keras.h5"),
        (plain, "keras.weights.h5"),
        (gelu, "keras-gelu.keras"),
        (normed, "keras-normed.keras"),
    ):
        (model.save_weights if ".weights." in file else model.save)(folder / file)
        answers[file] = model.predict(ROWS, verbose=0)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    found: dict[str, np.ndarray] = {}
    torch_models(target, found)
    keras_models(target, found)
    arrays: dict[str, Any] = found | {"rows": ROWS}
    np.savez(target / "answers.npz", **arrays)
