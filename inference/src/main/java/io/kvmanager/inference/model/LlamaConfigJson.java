package io.kvmanager.inference.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Reads a Hugging Face {@code config.json} of model type {@code llama}, and refuses what would compute otherwise. */
final class LlamaConfigJson {
    private LlamaConfigJson() {}

    static ModelConfig parse(JsonFields fields) {
        refuseUnsupported(fields);
        int hidden = fields.integer("hidden_size");
        int heads = fields.integer("num_attention_heads");
        if (heads < 1) {
            throw new ModelFormatException(fields.file(), "num_attention_heads " + heads + "; accepted: 1 or more");
        }
        try {
            return new ModelConfig(
                    fields.integer("vocab_size"),
                    hidden,
                    fields.integer("intermediate_size"),
                    fields.integer("num_hidden_layers"),
                    heads,
                    fields.integer("num_key_value_heads", heads),
                    fields.integer("head_dim", hidden / heads),
                    fields.integer("max_position_embeddings", 2048),
                    ropeTheta(fields),
                    fields.number("rms_norm_eps", 1e-6),
                    ModelConfig.RopePairing.ROTATE_HALF,
                    fields.integer("bos_token_id", ModelConfig.NO_TOKEN),
                    endIds(fields),
                    fields.flag("tie_word_embeddings", false));
        } catch (ModelFormatException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(fields.file(), String.valueOf(e.getMessage()), e);
        }
    }

    private static void refuseUnsupported(JsonFields fields) {
        for (JsonNode architecture : fields.node().path("architectures")) {
            fields.mustBe("architectures", architecture.asText().equals("LlamaForCausalLM"), "LlamaForCausalLM");
        }
        fields.mustBe("model_type", fields.text("model_type", "").equals("llama"), "llama");
        fields.mustBe("hidden_act", fields.text("hidden_act", "silu").equals("silu"), "silu");
        fields.mustBe("rope_scaling", !fields.has("rope_scaling"), "null");
        fields.mustBe("attention_bias", !fields.flag("attention_bias", false), "false");
        fields.mustBe("mlp_bias", !fields.flag("mlp_bias", false), "false");
        fields.mustBe("quantization_config", !fields.has("quantization_config"), "none: F32, F16 or BF16 weights");
        String ropeType =
                fields.node().path("rope_parameters").path("rope_type").asText("default");
        fields.mustBe("rope_parameters", ropeType.equals("default"), "rope_type default");
    }

    private static double ropeTheta(JsonFields fields) {
        JsonNode parameters = fields.node().path("rope_parameters").path("rope_theta");
        return parameters.isNumber() ? parameters.doubleValue() : fields.number("rope_theta", 10000);
    }

    /** The end tokens a JSON file names: one id, a list of them, or none. */
    static List<Integer> endIds(JsonFields fields) {
        List<Integer> ids = new ArrayList<>();
        if (fields.has("eos_token_id")) {
            JsonNode value = fields.node().get("eos_token_id");
            if (value.isArray()) {
                value.forEach(id -> ids.add(id.asInt(ModelConfig.NO_TOKEN)));
            } else {
                ids.add(fields.integer("eos_token_id"));
            }
        }
        return ids;
    }
}
