"""Writer for a tiny GGUF model with random weights, to test llama.cpp without a download.

The model has a few Llama layers, a byte-level vocabulary and the ChatML template. It is written in
half a second and answers nonsense.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _HEADS, _INNER = 64, 4, 128
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_tiny_gguf(path: Path, *, layers: int = 2, context: int = 2048) -> Path:
    """Write the model to `path` and return it. More layers make a slower model."""
    tokens, kinds = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["e r"])
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_CHATML)
    random = np.random.default_rng(7)

    def weights(name: str, *shape: int) -> None:
        values = random.standard_normal(shape) / np.sqrt(shape[-1])
        writer.add_tensor(name, values.astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(_WIDTH, dtype=np.float32))

    weights("token_embd.weight", len(tokens), _WIDTH)
    weights("output.weight", len(tokens), _WIDTH)
    ones("output_norm.weight")
    for layer in range(layers):
        block = f"blk.{layer}"
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"{block}.{part}.weight", _WIDTH, _WIDTH)
        weights(f"{block}.ffn_gate.weight", _INNER, _WIDTH)
        weights(f"{block}.ffn_up.weight", _INNER, _WIDTH)
        weights(f"{block}.ffn_down.weight", _WIDTH, _INNER)
        ones(f"{block}.attn_norm.weight")
        ones(f"{block}.ffn_norm.weight")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _vocabulary() -> tuple[list[str], list[int]]:
    """Return one token per byte in GPT-2's printable spelling, plus ChatML's two, and the kinds."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    tokens = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
    tokens += ["er"]
    kinds = [int(gguf.TokenType.NORMAL)] * len(tokens)
    return [*tokens, "<|im_start|>", "<|im_end|>"], [*kinds, *[int(gguf.TokenType.CONTROL)] * 2]
