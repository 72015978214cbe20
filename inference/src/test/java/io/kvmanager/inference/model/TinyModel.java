package io.kvmanager.inference.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;

/** A model folder of a few kilobytes, made by the test, whose parts a test spoils before they are written. */
final class TinyModel {
    static final int HIDDEN = 8;
    static final int VOCABULARY = 257;
    private static final ObjectMapper JSON = new ObjectMapper();

    final ObjectNode config = JSON.createObjectNode();
    final ObjectNode tokenizer = JSON.createObjectNode();
    final Map<String, int[]> shapes = new LinkedHashMap<>();
    final Map<String, String> types = new LinkedHashMap<>();

    TinyModel() {
        config.putArray("architectures").add("LlamaForCausalLM");
        config.put("model_type", "llama")
                .put("vocab_size", VOCABULARY)
                .put("hidden_size", HIDDEN)
                .put("intermediate_size", 12)
                .put("num_hidden_layers", 2)
                .put("num_attention_heads", 2)
                .put("num_key_value_heads", 1)
                .put("max_position_embeddings", 32)
                .put("rms_norm_eps", 1e-5)
                .put("bos_token_id", 256)
                .put("tie_word_embeddings", true);
        config.putNull("rope_scaling");
        config.putArray("eos_token_id").add(256).add(3);
        shapes.put("model.embed_tokens.weight", new int[] {VOCABULARY, HIDDEN});
        for (int layer = 0; layer < 2; layer++) {
            String prefix = "model.layers." + layer + ".";
            shapes.put(prefix + "input_layernorm.weight", new int[] {HIDDEN});
            shapes.put(prefix + "self_attn.q_proj.weight", new int[] {8, HIDDEN});
            shapes.put(prefix + "self_attn.k_proj.weight", new int[] {4, HIDDEN});
            shapes.put(prefix + "self_attn.v_proj.weight", new int[] {4, HIDDEN});
            shapes.put(prefix + "self_attn.o_proj.weight", new int[] {HIDDEN, 8});
            shapes.put(prefix + "post_attention_layernorm.weight", new int[] {HIDDEN});
            shapes.put(prefix + "mlp.gate_proj.weight", new int[] {12, HIDDEN});
            shapes.put(prefix + "mlp.up_proj.weight", new int[] {12, HIDDEN});
            shapes.put(prefix + "mlp.down_proj.weight", new int[] {HIDDEN, 12});
        }
        shapes.put("model.norm.weight", new int[] {HIDDEN});
        type("F32");
        makeTokenizer();
    }

    /** Stores every tensor as {@code type}. */
    void type(String type) {
        shapes.keySet().forEach(name -> types.put(name, type));
    }

    private void makeTokenizer() {
        tokenizer
                .putArray("added_tokens")
                .addObject()
                .put("id", 256)
                .put("content", "<s>")
                .put("special", true);
        tokenizer.putObject("pre_tokenizer").put("type", "ByteLevel").put("add_prefix_space", false);
        tokenizer.putObject("decoder").put("type", "ByteLevel");
        ObjectNode model = tokenizer.putObject("model").put("type", "BPE");
        ObjectNode vocabulary = model.putObject("vocab");
        int free = 0x100;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value > ' ' && value < 0x7f) || (value > 0xa0 && value != 0xad);
            vocabulary.put(String.valueOf((char) (printable ? value : free++)), value);
        }
        model.putArray("merges");
    }

    ArrayNode merges() {
        return (ArrayNode) tokenizer.path("model").path("merges");
    }

    /** Writes the folder. */
    Path write(Path folder) {
        return write(folder, header -> {});
    }

    /** Writes the folder, with a header that was changed behind our back. */
    Path write(Path folder, Consumer<ObjectNode> spoilHeader) {
        try {
            JSON.writeValue(folder.resolve("config.json").toFile(), config);
            JSON.writeValue(folder.resolve("tokenizer.json").toFile(), tokenizer);
            ObjectNode header = JSON.createObjectNode();
            header.putObject("__metadata__").put("format", "pt");
            ByteBuffer data = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
            shapes.forEach((name, shape) -> put(name, shape, header, data));
            spoilHeader.accept(header);
            byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
            ByteBuffer file =
                    ByteBuffer.allocate(8 + text.length + data.position()).order(ByteOrder.LITTLE_ENDIAN);
            file.putLong(text.length).put(text).put(data.flip());
            Files.write(folder.resolve("model.safetensors"), file.array());
            return folder;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Weights of three bits, so that every type holds them exactly. */
    private void put(String name, int[] shape, ObjectNode header, ByteBuffer data) {
        int elements = 1;
        ObjectNode entry = header.putObject(name).put("dtype", types.get(name));
        ArrayNode sides = entry.putArray("shape");
        for (int side : shape) {
            elements *= side;
            sides.add(side);
        }
        ArrayNode offsets = entry.putArray("data_offsets").add(data.position());
        Random random = new Random(name.hashCode());
        for (int i = 0; i < elements; i++) {
            float weight = (random.nextInt(15) - 7) / 8f;
            switch (String.valueOf(types.get(name))) {
                case "F16" -> data.putShort(Float.floatToFloat16(weight));
                case "BF16" -> data.putShort((short) (Float.floatToIntBits(weight) >>> 16));
                default -> data.putFloat(weight);
            }
        }
        offsets.add(data.position());
    }
}
