"""`generate`, encoders and decoders of transformers: small ones, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_flopbudget import profile_model

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

WIDTH, PROMPT, NEW = 32, 5, 4
QUERY = "model.layers.0.self_attn.q_proj"  # WIDTH x WIDTH: 2 * WIDTH ** 2 FLOPs per token
PER_TOKEN = 2 * WIDTH**2


def llama(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=None,
        pad_token_id=0,
    )
    return transformers.LlamaForCausalLM(config)


PROMPT_IDS = torch.arange(1, PROMPT + 1)[None]


@pytest.mark.parametrize(
    ("options", "tokens", "calls"),
    [
        ({}, PROMPT + NEW - 1, NEW),
        ({"use_cache": False}, sum(range(PROMPT, PROMPT + NEW)), NEW),
        ({"num_beams": 3}, 3 * (PROMPT + NEW - 1), NEW),
    ],
)
def test_generate_counts_every_token_that_runs(
    options: dict[str, Any], tokens: int, calls: int
) -> None:
    model = llama()
    given = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False, **options}
    profile = profile_model(model.generate, PROMPT_IDS, given)
    assert profile.model == "LlamaForCausalLM.generate"
    assert (profile[QUERY].own_flops, profile[QUERY].calls) == (PER_TOKEN * tokens, calls)
    assert profile.uncounted == ()


def test_an_assistant_is_a_part_by_its_name() -> None:
    model = llama()
    given = {"assistant_model": (draft := llama()), "max_new_tokens": NEW, "do_sample": False}
    draft.generation_config.update(
        num_assistant_tokens=NEW - 1,
        num_assistant_tokens_schedule="constant",
        assistant_confidence_threshold=0.0,
    )
    parts = {"model": model, "draft": draft}
    profile = profile_model(lambda ids: model.generate(ids, **given), PROMPT_IDS, modules=parts)
    # The draft is the same model, so all that it proposes is accepted by one call.
    drafted, checked = profile[f"draft.{QUERY}"], profile[f"model.{QUERY}"]
    assert (drafted.calls, drafted.own_flops) == (NEW - 1, PER_TOKEN * (PROMPT + NEW - 2))
    assert (checked.calls, checked.own_flops) == (1, PER_TOKEN * (PROMPT + NEW - 1))
    assert profile.params == 2 * sum(p.numel() for p in model.parameters())


def test_the_two_encoders_of_clip() -> None:
    size = {
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    model = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config={**size, "vocab_size": 64, "max_position_embeddings": 8, "eos_token_id": 2},
            vision_config={**size, "image_size": 16, "patch_size": 8},
            projection_dim=16,
        )
    )
    text = profile_model(model.get_text_features, kwargs={"input_ids": torch.arange(8)[None]})
    image = profile_model(
        model.get_image_features, kwargs={"pixel_values": torch.zeros(1, 3, 16, 16)}
    )
    # The text has 8 tokens; the image 4 patches and the class.
    text_query, image_query = (
        f"{name}_model.encoder.layers.0.self_attn.q_proj" for name in ("text", "vision")
    )
    assert (text[text_query].own_flops, text[image_query].calls) == (8 * PER_TOKEN, 0)
    assert (image[image_query].own_flops, image[text_query].calls) == (5 * PER_TOKEN, 0)
    assert (text.model, image.model) == (
        "CLIPModel.get_text_features",
        "CLIPModel.get_image_features",
    )


def test_an_encoder_runs_once_and_its_decoder_for_each_token() -> None:
    torch.manual_seed(0)
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=64,
            d_model=WIDTH,
            d_kv=8,
            d_ff=64,
            num_layers=1,
            num_heads=4,
            decoder_start_token_id=0,
        )
    )
    given = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False}
    profile = profile_model(model.generate, PROMPT_IDS, given)
    encoder = profile["encoder.block.0.layer.0.SelfAttention.q"]
    decoder = profile["decoder.block.0.layer.0.SelfAttention.q"]
    assert (encoder.calls, encoder.own_flops) == (1, PER_TOKEN * PROMPT)
    assert (decoder.calls, decoder.own_flops) == (NEW, PER_TOKEN * NEW)
