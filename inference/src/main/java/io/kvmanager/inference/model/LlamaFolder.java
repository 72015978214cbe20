package io.kvmanager.inference.model;

import io.kvmanager.inference.math.Matrix;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Reads a model as Hugging Face stores it: {@code config.json}, {@code model.safetensors}, {@code tokenizer.json}. End
 * tokens of a {@code generation_config.json} take the place of the configuration's.
 */
final class LlamaFolder {
    private static final String CONFIG = "config.json";
    private static final String WEIGHTS = "model.safetensors";
    private static final String TOKENIZER = "tokenizer.json";
    private static final String GENERATION = "generation_config.json";

    private LlamaFolder() {}

    static Model read(String name, ModelSource source) {
        ModelConfig config = withGenerationEnds(LlamaConfigJson.parse(source.json(CONFIG)), source);
        Tokenizer tokenizer = TokenizerJson.parse(source.json(TOKENIZER));
        if (tokenizer.vocabulary() > config.vocabulary()) {
            throw new ModelFormatException(
                    source.path(TOKENIZER),
                    "has " + tokenizer.vocabulary() + " tokens, the model has " + config.vocabulary());
        }
        Optional<byte[]> index = source.read(WEIGHTS + ".index.json");
        try (Arena arena = Arena.ofConfined()) {
            if (index.isPresent() && source.open(WEIGHTS, arena).isEmpty()) {
                throw new ModelFormatException(
                        source.path(WEIGHTS + ".index.json"),
                        "weights in shards are not supported; accepted: one " + WEIGHTS);
            }
            SafetensorsFile file = SafetensorsFile.parse(source.path(WEIGHTS), source.require(WEIGHTS, arena));
            return new Model(name, config, weights(config, file), tokenizer, source.profile(config));
        }
    }

    private static ModelConfig withGenerationEnds(ModelConfig c, ModelSource source) {
        List<Integer> ends = source.read(GENERATION)
                .map(text -> LlamaConfigJson.endIds(JsonFields.parse(source.path(GENERATION), text)))
                .orElse(List.of());
        return ends.isEmpty() ? c : c.withEndIds(ends);
    }

    private static ModelWeights weights(ModelConfig c, SafetensorsFile file) {
        Matrix embedding = file.matrix("model.embed_tokens.weight", c.vocabulary(), c.hidden());
        List<ModelWeights.Layer> layers = new ArrayList<>();
        for (int layer = 0; layer < c.layers(); layer++) {
            layers.add(layer(c, file, "model.layers." + layer + "."));
        }
        return new ModelWeights(
                embedding,
                layers,
                file.norm("model.norm.weight", c.hidden(), c.rmsEpsilon()),
                c.tiedEmbeddings() ? embedding : file.matrix("lm_head.weight", c.vocabulary(), c.hidden()));
    }

    private static ModelWeights.Layer layer(ModelConfig c, SafetensorsFile file, String prefix) {
        return new ModelWeights.Layer(
                file.norm(prefix + "input_layernorm.weight", c.hidden(), c.rmsEpsilon()),
                file.matrix(prefix + "self_attn.q_proj.weight", c.queryElements(), c.hidden()),
                file.matrix(prefix + "self_attn.k_proj.weight", c.keyElements(), c.hidden()),
                file.matrix(prefix + "self_attn.v_proj.weight", c.keyElements(), c.hidden()),
                null,
                file.matrix(prefix + "self_attn.o_proj.weight", c.hidden(), c.queryElements()),
                file.norm(prefix + "post_attention_layernorm.weight", c.hidden(), c.rmsEpsilon()),
                file.matrix(prefix + "mlp.gate_proj.weight", c.intermediate(), c.hidden()),
                file.matrix(prefix + "mlp.up_proj.weight", c.intermediate(), c.hidden()),
                null,
                file.matrix(prefix + "mlp.down_proj.weight", c.hidden(), c.intermediate()));
    }
}
