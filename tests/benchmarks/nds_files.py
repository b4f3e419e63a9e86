"""Sweeps of NDS in the published format, with numbers that can be computed by hand."""

import json
import zipfile

CELL = {
    "normal": [["skip_connect", 1], ["sep_conv_5x5", 0], ["max_pool_3x3", 2], ["dil_conv_3x3", 0]],
    "normal_concat": [2, 3],
    "reduce": [["none", 0], ["conv_1x1", 1], ["avg_pool_3x3", 1], ["sep_conv_3x3", 2]],
    "reduce_concat": [3],
}
BOTTLENECK = {
    "block_type": "res_bottleneck_block",
    "bot_muls": [0.0, 0.25, 0.25, 0.25],
    "ds": [1, 16, 1, 4],
    "num_gs": [1, 2, 1, 2],
    "ss": [1, 1, 2, 2],
    "ws": [16, 64, 128, 16],
}
PLAIN = {"block_type": "double_plain_block", "bot_muls": [], "ds": [1, 2, 3, 4], "num_gs": [], "ss": [1, 1, 2, 2]}
PLAIN |= {"ws": [16, 16, 32, 64]}


def cell_net(depth=20, genotype=None):
    return {"aux": False, "depth": depth, "drop_prob": 0.0, "genotype": genotype or CELL, "width": 16}


def training(net, seed=1, epochs=3, lr=0.1, loss=2.5, error=40.0):
    """One training; the error falls by one in each epoch, and rises by half in the last one."""
    errors = [error - epoch for epoch in range(epochs - 1)] + [error - epochs + 2.5]
    return {
        "job_id": "0-x",
        "rng_seed": seed,
        "exp_mem": 100.0,
        "act_mem": 7,
        "params": 1_500_000,
        "flops": 250_000_000.0,
        "net": net,
        "optim": {"base_lr": lr, "wd": 0.0005, "max_ep": epochs, "lr_policy": "cos", "mom": 0.9},
        "prec_time": 0.5,
        "iter_time": 0.125,
        "min_test_top1": min(errors),
        "train_ep_loss": [loss / (epoch + 1) for epoch in range(epochs)],
        "train_ep_top1": [value / 2 for value in errors],
        "test_ep_top1": errors,
        "train_it_loss": [loss] * 40,
        "train_it_top1": [error] * 40,
    }


def sweeps():
    """The content of each file, by its name."""
    return {
        "DARTS.json": [training(cell_net(), 1), training(cell_net(), 2, error=50.0), training(cell_net(depth=8), 1)],
        "DARTS_fix-w-d.json": [training(cell_net(), 7, lr=0.2)],
        "ENAS_in.json": {"top": [training(cell_net(6), 1, epochs=2)], "mid": [training(cell_net(4), 1, epochs=2)]},
        "ResNeXt-A.json": [training(BOTTLENECK, 1, loss=float("nan"))],
        "Vanilla_lr-wd_in.json": [training(PLAIN, 1, lr=0.3)],
    }


def write_sweeps(folder):
    """Write the files into a folder ``nds_data``, and return it."""
    place = folder / "nds_data"
    place.mkdir()
    for name, content in sweeps().items():
        (place / name).write_text(json.dumps(content))
    (place / "notes.json").write_text("no sweep")
    return place


def write_zip(folder):
    """Write the published archive, and return its path."""
    path = folder / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sweeps().items():
            archive.writestr(f"nds_data/{name}", json.dumps(content))
    return path
