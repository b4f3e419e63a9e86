"""`pack` and `unpack`: the values of tensors as text, exact to the last bit."""

from __future__ import annotations

import base64
import zlib

import torch

from retiarii.errors import GraphError

MAX_BYTES = 64 * 2**20
"""The largest tensor that is written into a text."""


def pack(tensor: torch.Tensor, where: str) -> str:
    """Return the bytes of a tensor, compressed and in base 64.

    Args:
        tensor: Any dense tensor.
        where: The path of the tensor, for messages.

    Raises:
        GraphError: It is too large, or has no values.
    """
    size = tensor.numel() * tensor.element_size()
    if size > MAX_BYTES:
        raise GraphError(
            f"{where!r} has {size} bytes of values, which are too many for a text (at most {MAX_BYTES}). Mark the "
            "class that computes it with @basic_unit, so that its source is exported, or compute it in forward().",
            node=where,
        )
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.is_quantized:
        raise GraphError(
            f"The values of {where!r} cannot be written out: it is a {tensor.layout} tensor on {tensor.device}. "
            "Expected a dense tensor with values.",
            node=where,
        )
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return base64.b64encode(zlib.compress(plain.view(torch.uint8).numpy().tobytes(), 9)).decode()


def unpack(text: str, dtype: torch.dtype, shape: list[int]) -> torch.Tensor:
    """Return the tensor of a text.

    Raises:
        ValueError: The text does not hold as many bytes as the tensor has.
    """
    size = torch.Size(shape).numel() * dtype.itemsize
    if size > MAX_BYTES:
        raise ValueError(f"a tensor of {size} bytes is too large for a text")
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as err:
        raise ValueError(f"the bytes of a tensor are damaged: {err}") from err
    if len(content) != size:
        raise ValueError(f"a tensor of {size} bytes has {len(content)}")
    flat = torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)
    return flat.reshape(shape)
