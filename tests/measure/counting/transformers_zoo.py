"""Architectures of `transformers`: two layers, 32 wide, with random weights.

A row names the class of a model, its config and its inputs. Nothing is downloaded, and
`transformers` is imported when the first model is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    Inputs = Callable[[], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Architecture:
    """A class of `transformers`, the config of a small one, and its inputs."""

    family: str
    model: str
    config: dict[str, Any]
    inputs: Inputs
    on: str = "meta"  # where it is counted
    has_sdpa: bool = True

    def __str__(self) -> str:
        return self.model

    def build(self, *, device: str = "cpu", **settings: Any) -> nn.Module:
        transformers = pytest.importorskip("transformers")
        cls = getattr(transformers, self.model, None)
        if cls is None:
            pytest.skip(f"transformers {transformers.__version__} has no {self.model}")
        torch.manual_seed(0)
        with torch.device(device):
            return cls._from_config(cls.config_class(**self.config), **settings).eval()


BATCH, TOKENS = 2, 8
IMAGE_TOKEN = 99
WIDTHS: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
SPECIAL: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEXT = WIDTHS | SPECIAL | {"vocab_size": 100, "max_position_embeddings": 64}
GROUPED = TEXT | {"num_key_value_heads": 2, "head_dim": 8}  # grouped-query attention
EXPERTS = GROUPED | {
    "num_local_experts": 4,
    "num_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
}
LATENT = EXPERTS | {  # multi-head latent attention
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "first_k_dense_replace": 1,
    "n_group": 2,
    "topk_group": 1,
}
MAMBA2 = GROUPED | {
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 4,
    "mamba_chunk_size": 4,
}
TWO_SIDES = TEXT | {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "decoder_start_token_id": 2,
}
T5 = (
    TEXT
    | {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    | {"decoder_start_token_id": 0}
)
PATCHES = WIDTHS | {"image_size": 32, "patch_size": 8}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]}
STAGED_HEADS = STAGES | {"num_attention_heads": [1, 2, 2, 4], "decoder_hidden_size": 16}
RESIDUAL = STAGES | {"embedding_size": 8}
WINDOWS: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 4],
    "window_size": 4,
}
DETECTOR = WIDTHS | {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "backbone_config": RESIDUAL | {"model_type": "resnet", "out_features": ["stage4"]},
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "num_queries": 5,
}
WAVES = TEXT | {
    "conv_dim": [8, 8],
    "conv_stride": [4, 2],
    "conv_kernel": [8, 4],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 2,
}
CODEC: dict[str, Any] = {
    "num_filters": 4,
    "upsampling_ratios": [4, 2],
    "num_residual_layers": 1,
    "codebook_size": 16,
    "codebook_dim": 8,
}
TWO_TOWERS = {"text_config": TEXT, "vision_config": PATCHES, "projection_dim": 16}
IMAGES_IN_TEXT = {"image_token_id": IMAGE_TOKEN, "image_token_index": IMAGE_TOKEN}


def text() -> dict[str, Tensor]:
    return {"input_ids": torch.arange(10, 10 + BATCH * TOKENS).view(BATCH, TOKENS)}


def masked_text() -> dict[str, Tensor]:
    mask = torch.ones(BATCH, TOKENS, dtype=torch.long)
    mask[1, 5:] = 0
    return text() | {"attention_mask": mask}


def target() -> dict[str, Tensor]:
    return {"decoder_input_ids": torch.arange(10, 10 + BATCH * 5).view(BATCH, 5)}


def text_and_target() -> dict[str, Tensor]:
    return text() | target()


def image(pixels: int = 32) -> dict[str, Tensor]:
    return {"pixel_values": torch.ones(BATCH, 3, pixels, pixels)}


def large_image() -> dict[str, Tensor]:
    return image(64)


def video() -> dict[str, Tensor]:
    return {"pixel_values": torch.ones(1, 4, 3, 32, 32)}


def wave() -> dict[str, Tensor]:
    return {"input_values": torch.ones(BATCH, 400)}


def channel() -> dict[str, Tensor]:
    return {"input_values": torch.ones(1, 1, 64)}


def spectrum() -> dict[str, Tensor]:
    return {"input_values": torch.ones(BATCH, 32, 16)}


def whisper_features() -> dict[str, Tensor]:
    return {"input_features": torch.ones(BATCH, 8, 32)} | target()


def speech_features() -> dict[str, Tensor]:
    return {"input_features": torch.ones(BATCH, 32, 8)} | target()


def text_and_image() -> dict[str, Tensor]:
    return text() | image()


def boxed_text() -> dict[str, Tensor]:
    return text() | {"bbox": torch.zeros(BATCH, TOKENS, 4, dtype=torch.long)}


def boxed_text_and_image() -> dict[str, Tensor]:
    return boxed_text() | image()


def text_and_regions() -> dict[str, Tensor]:
    regions = {"visual_feats": torch.ones(BATCH, 4, 16), "visual_pos": torch.ones(BATCH, 4, 4)}
    return text() | regions


def image_in_text(tokens: int) -> dict[str, Tensor]:
    ids = torch.arange(10, 10 + BATCH * (tokens + 4)).view(BATCH, -1)
    ids[:, 2 : 2 + tokens] = IMAGE_TOKEN
    return {"input_ids": ids} | image()


def sixteen_patches_in_text() -> dict[str, Tensor]:
    return image_in_text(16)


def four_patches_in_text() -> dict[str, Tensor]:
    return image_in_text(4)


def images_in_text() -> dict[str, Tensor]:
    return image_in_text(4) | {"pixel_values": torch.ones(BATCH, 1, 3, 32, 32)}


def patches_in_text() -> dict[str, Tensor]:
    ids = torch.arange(10, 22).view(1, -1)
    ids[:, 2:6] = IMAGE_TOKEN
    return {
        "input_ids": ids,
        "mm_token_type_ids": (ids == IMAGE_TOKEN).long(),
        "pixel_values": torch.ones(16, 3 * 2 * 4 * 4),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
    }


def rows(family: str, inputs: Inputs, *models: tuple[Any, ...]) -> list[Architecture]:
    """Make rows of `(model, config)` with these inputs, or of `(model, config, other fields)`."""
    return [
        Architecture(family, model, config, **({"inputs": inputs} | dict(*other)))
        for model, config, *other in models
    ]


ONLY_EAGER = {"has_sdpa": False}
FAKE = {"on": "fake"}
REAL = {"on": "real"}

ENCODERS = rows(
    "encoder",
    text,
    ("BertModel", TEXT, FAKE | {"inputs": masked_text}),
    ("RobertaModel", TEXT),
    ("AlbertModel", TEXT | {"embedding_size": 16}),
    ("ElectraModel", TEXT | {"embedding_size": 16}),
    (
        "DebertaModel",
        TEXT | {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
        ONLY_EAGER | FAKE,
    ),
    (
        "DebertaV2Model",
        TEXT | {"pos_att_type": ["c2p", "p2c"], "relative_attention": True, "position_buckets": 8},
        ONLY_EAGER | FAKE,
    ),
    (
        "DistilBertModel",
        TEXT | {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    ),
    ("ModernBertModel", TEXT),
    ("MPNetModel", TEXT, ONLY_EAGER),
    (
        "XLNetModel",
        {"vocab_size": 100, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
        ONLY_EAGER,
    ),
    ("LongformerModel", TEXT | {"attention_window": 4}, ONLY_EAGER | REAL),
    ("BigBirdModel", TEXT | {"block_size": 4, "num_random_blocks": 1}, ONLY_EAGER | FAKE),
    ("FNetModel", TEXT, ONLY_EAGER),
    ("ConvBertModel", TEXT | {"embedding_size": 32}, ONLY_EAGER | FAKE),
    (
        "FunnelModel",
        {"vocab_size": 100, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64}
        | {"block_sizes": [1, 1]},
        ONLY_EAGER,
    ),
    (
        "MobileBertModel",
        TEXT | {"embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32},
    ),
    ("SqueezeBertModel", TEXT | {"embedding_size": 32}, ONLY_EAGER | FAKE),
    ("RoFormerModel", TEXT, ONLY_EAGER | FAKE),
    ("EsmModel", TEXT | {"position_embedding_type": "rotary", "mask_token_id": 3}),
    ("CanineModel", TEXT | {"local_transformer_stride": 4}, ONLY_EAGER | FAKE),
    (
        "FlaubertModel",
        TEXT | {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "n_words": 100},
        ONLY_EAGER | REAL,
    ),
)
DECODERS = rows(
    "decoder",
    text,
    *(
        (f"{name}ForCausalLM", GROUPED)
        for name in (
            "Llama Mistral Qwen2 Qwen3 Gemma Gemma3 StableLm Cohere Olmo2 Granite SmolLM3 "
            "Starcoder2 Glm4 Nemotron Exaone4 DiffLlama Ernie4_5 Apertus Olmo Phi3"
        ).split()
    ),
    ("Gemma2ForCausalLM", GROUPED, ONLY_EAGER),
    ("PhiForCausalLM", TEXT),
    ("GPT2LMHeadModel", TEXT | {"pad_token_id": None}),
    ("GPTNeoXForCausalLM", TEXT),
    ("GPTJForCausalLM", TEXT | {"rotary_dim": 8}),
    ("GPTNeoForCausalLM", TEXT | {"attention_types": [[["global", "local"], 1]]}, ONLY_EAGER),
    ("OPTForCausalLM", TEXT | {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    ("BloomForCausalLM", TEXT, ONLY_EAGER),
    ("FalconForCausalLM", TEXT),
    ("MptForCausalLM", TEXT, ONLY_EAGER),
    ("BioGptForCausalLM", TEXT),
    ("XGLMForCausalLM", TEXT | {"ffn_dim": 64, "attention_heads": 4}, ONLY_EAGER),
)
MIXTURES = rows(
    "mixture of experts",
    text,
    ("MixtralForCausalLM", EXPERTS),
    ("Qwen2MoeForCausalLM", EXPERTS | {"shared_expert_intermediate_size": 32}),
    ("Qwen3MoeForCausalLM", EXPERTS),
    ("OlmoeForCausalLM", EXPERTS),
    ("GptOssForCausalLM", EXPERTS, ONLY_EAGER),
    ("DeepseekV2ForCausalLM", LATENT | {"topk_method": "greedy"}),
    ("DeepseekV3ForCausalLM", LATENT),
    ("GraniteMoeForCausalLM", EXPERTS),
    ("PhimoeForCausalLM", EXPERTS),
    ("Ernie4_5_MoeForCausalLM", EXPERTS | {"moe_num_experts": 4, "moe_k": 2}),
    ("Glm4MoeForCausalLM", EXPERTS | {"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1}),
    ("Llama4ForCausalLM", EXPERTS | {"intermediate_size_mlp": 64}),
    ("JetMoeForCausalLM", EXPERTS | {"kv_channels": 8}, REAL),
)
STATE_SPACES = rows(
    "state space",
    text,
    ("MambaForCausalLM", TEXT | {"state_size": 4}, ONLY_EAGER),
    ("FalconMambaForCausalLM", TEXT | {"state_size": 4}, ONLY_EAGER),
    (
        "Mamba2ForCausalLM",
        TEXT | {"state_size": 4, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 4},
        ONLY_EAGER,
    ),
    ("RwkvForCausalLM", TEXT | {"attention_hidden_size": 32}, ONLY_EAGER),
    (
        "RecurrentGemmaForCausalLM",
        GROUPED
        | {"lru_width": 32, "block_types": ["recurrent", "attention"], "num_key_value_heads": 1}
        | {"attention_window_size": 8},
    ),
    (
        "JambaForCausalLM",
        EXPERTS
        | {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 4, "mamba_dt_rank": 4}
        | {"expert_layer_period": 2, "expert_layer_offset": 1},
    ),
    (
        "Zamba2ForCausalLM",
        TEXT
        | {"mamba_d_state": 4, "mamba_headdim": 8, "mamba_ngroups": 1, "chunk_size": 4}
        | {"adapter_rank": 4, "num_mem_blocks": 1, "hybrid_layer_ids": [1]}
        | {"layer_types": ["mamba", "hybrid"]},
    ),
    ("BambaForCausalLM", MAMBA2 | {"attn_layer_indices": [1]}),
    ("FalconH1ForCausalLM", MAMBA2 | {"mamba_d_ssm": 32, "mamba_n_heads": 4}),
    (
        "Qwen3NextForCausalLM",
        EXPERTS
        | {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8}
        | {"linear_value_head_dim": 8, "shared_expert_intermediate_size": 16}
        | {"layer_types": ["linear_attention", "full_attention"]},
    ),
)
ENCODER_DECODERS = rows(
    "encoder-decoder",
    text_and_target,
    ("T5ForConditionalGeneration", T5),
    (
        "LongT5ForConditionalGeneration",
        T5 | {"local_radius": 3, "encoder_attention_type": "local"},
        ONLY_EAGER,
    ),
    (
        "SwitchTransformersForConditionalGeneration",
        T5 | {"num_experts": 4},
        ONLY_EAGER | REAL,
    ),
    ("BartForConditionalGeneration", TWO_SIDES),
    ("MBartForConditionalGeneration", TWO_SIDES),
    ("PegasusForConditionalGeneration", TWO_SIDES),
    ("M2M100ForConditionalGeneration", TWO_SIDES),
    (
        "LEDForConditionalGeneration",
        TWO_SIDES
        | {"attention_window": 4}
        | dict.fromkeys(["max_encoder_position_embeddings", "max_decoder_position_embeddings"], 64),
        ONLY_EAGER,
    ),
    (
        "BigBirdPegasusForConditionalGeneration",
        TWO_SIDES | {"attention_type": "original_full"},
        ONLY_EAGER,
    ),
    (
        "WhisperForConditionalGeneration",
        TWO_SIDES | {"num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 16},
        {"inputs": whisper_features},
    ),
    (
        "Speech2TextForConditionalGeneration",
        TWO_SIDES | {"input_feat_per_channel": 8, "conv_channels": 16},
        ONLY_EAGER | {"inputs": speech_features},
    ),
)
VISION = rows(
    "vision",
    image,
    ("ViTModel", PATCHES),
    ("DeiTModel", PATCHES),
    ("BeitModel", PATCHES | {"use_relative_position_bias": True}),
    ("Dinov2Model", PATCHES),
    ("DINOv3ViTModel", PATCHES),
    ("YolosForObjectDetection", PATCHES | {"image_size": [32, 32], "num_detection_tokens": 4}),
    ("SwinModel", WINDOWS),
    ("Swinv2Model", WINDOWS, ONLY_EAGER),
    ("ConvNextModel", STAGES, ONLY_EAGER),
    ("ResNetModel", RESIDUAL, ONLY_EAGER),
    ("RegNetModel", RESIDUAL | {"groups_width": 8}, ONLY_EAGER),
    ("MobileNetV2Model", {"depth_multiplier": 0.35}, ONLY_EAGER),
    (
        "DPTForDepthEstimation",
        PATCHES
        | {"num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "fusion_hidden_size": 16}
        | {"neck_hidden_sizes": [8, 16, 16, 16]},
    ),
    ("SegformerForSemanticSegmentation", STAGED_HEADS, {"inputs": large_image}),
    ("GLPNForDepthEstimation", STAGED_HEADS, ONLY_EAGER | {"inputs": large_image}),
    ("PvtModel", STAGED_HEADS | {"image_size": 64}, ONLY_EAGER | {"inputs": large_image}),
    (
        "MobileViTModel",
        {"image_size": 64, "hidden_sizes": [16, 20, 24]}
        | {"neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 32]},
        ONLY_EAGER | {"inputs": large_image},
    ),
    ("PoolFormerModel", STAGES, ONLY_EAGER | {"inputs": large_image}),
    (
        "HieraModel",
        {"image_size": [64, 64], "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]},
        ONLY_EAGER | {"inputs": large_image},
    ),
    ("VideoMAEModel", PATCHES | {"num_frames": 4}, {"inputs": video}),
    ("DetrForObjectDetection", DETECTOR, {"inputs": large_image}),
    ("ConditionalDetrForObjectDetection", DETECTOR, {"inputs": large_image}),
    (
        "TableTransformerForObjectDetection",
        DETECTOR,
        ONLY_EAGER | {"inputs": large_image},
    ),
)
AUDIO = rows(
    "audio",
    wave,
    ("Wav2Vec2Model", WAVES),
    ("HubertModel", WAVES),
    ("SEWModel", WAVES | {"squeeze_factor": 2}),
    ("WavLMModel", WAVES | {"num_buckets": 8}, ONLY_EAGER),
    ("Wav2Vec2ConformerModel", WAVES, ONLY_EAGER),
    (
        "ASTModel",
        WIDTHS
        | {"num_mel_bins": 16, "max_length": 32, "patch_size": 8}
        | {"frequency_stride": 8, "time_stride": 8},
        {"inputs": spectrum},
    ),
    (
        "EncodecModel",
        CODEC | {"num_lstm_layers": 1, "hidden_size": 8, "target_bandwidths": [24.0]},
        ONLY_EAGER | {"inputs": channel},
    ),
    (
        "MimiModel",
        WIDTHS
        | CODEC
        | {"num_hidden_layers": 1, "head_dim": 8, "num_key_value_heads": 4, "upsample_groups": 32}
        | {"num_quantizers": 2, "num_semantic_quantizers": 1}
        | {"vector_quantization_hidden_dimension": 8},
        {"inputs": channel},
    ),
)
MULTIMODAL = rows(
    "multimodal",
    text_and_image,
    ("CLIPModel", TWO_TOWERS),
    ("ChineseCLIPModel", TWO_TOWERS),
    ("SiglipModel", TWO_TOWERS),
    ("OwlViTModel", TWO_TOWERS),
    (
        "BlipForConditionalGeneration",
        TWO_TOWERS
        | {"text_config": TEXT | {"encoder_hidden_size": 32}, "image_text_hidden_size": 16},
        ONLY_EAGER,
    ),
    ("GitForCausalLM", TEXT | {"vision_config": PATCHES}, ONLY_EAGER),
    (
        "ViltModel",
        TEXT | {"image_size": 32, "patch_size": 8, "max_image_length": -1},
        ONLY_EAGER | REAL,
    ),
    ("LayoutLMModel", TEXT, FAKE | {"inputs": boxed_text}),
    (
        "LayoutLMv3Model",
        TEXT
        | {"input_size": 32, "patch_size": 8, "coordinate_size": 4, "shape_size": 8}
        | {"max_2d_position_embeddings": 64},
        {"inputs": boxed_text_and_image},
    ),
    (
        "LxmertModel",
        TEXT | {"l_layers": 1, "x_layers": 1, "r_layers": 1, "visual_feat_dim": 16},
        ONLY_EAGER | FAKE | {"inputs": text_and_regions},
    ),
    (
        "Blip2ForConditionalGeneration",
        IMAGES_IN_TEXT
        | {
            "text_config": TEXT | {"model_type": "opt", "ffn_dim": 64, "word_embed_proj_dim": 32},
            "vision_config": PATCHES,
            "qformer_config": TEXT | {"encoder_hidden_size": 32},
            "num_query_tokens": 4,
        },
        {"inputs": four_patches_in_text},
    ),
    (
        "LlavaForConditionalGeneration",
        IMAGES_IN_TEXT
        | {
            "text_config": GROUPED | {"model_type": "llama"},
            "vision_config": PATCHES | {"model_type": "clip_vision_model"},
            "vision_feature_layer": -1,
        },
        REAL | {"inputs": sixteen_patches_in_text},
    ),
    (
        "PaliGemmaForConditionalGeneration",
        IMAGES_IN_TEXT
        | {
            "text_config": GROUPED | {"model_type": "gemma"},
            "vision_config": PATCHES
            | {"model_type": "siglip_vision_model", "vision_use_head": False},
            "projection_dim": 32,
        },
        REAL | {"inputs": sixteen_patches_in_text},
    ),
    (
        "Gemma3ForConditionalGeneration",
        IMAGES_IN_TEXT
        | {"text_config": GROUPED, "vision_config": PATCHES, "mm_tokens_per_image": 4},
        REAL | {"inputs": four_patches_in_text},
    ),
    (
        "Idefics3ForConditionalGeneration",
        IMAGES_IN_TEXT
        | {"text_config": GROUPED | {"model_type": "llama"}, "vision_config": PATCHES}
        | {"scale_factor": 2},
        REAL | {"inputs": images_in_text},
    ),
    (
        "Qwen2VLForConditionalGeneration",
        IMAGES_IN_TEXT
        | {
            "text_config": GROUPED
            | {"rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}},
            "vision_config": {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4}
            | {"patch_size": 4, "mlp_ratio": 2},
            "video_token_id": 98,
            "vision_start_token_id": 95,
            "vision_end_token_id": 96,
        },
        REAL | {"inputs": patches_in_text},
    ),
)
ZOO = [
    *ENCODERS, *DECODERS, *MIXTURES, *STATE_SPACES, *ENCODER_DECODERS, *VISION, *AUDIO, *MULTIMODAL,
]  # fmt: skip
BY_NAME = {architecture.model: architecture for architecture in ZOO}
