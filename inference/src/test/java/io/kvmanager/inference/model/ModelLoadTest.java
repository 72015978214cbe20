package io.kvmanager.inference.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.inference.DecodeState;
import io.kvmanager.inference.NaiveSequence;
import io.kvmanager.inference.Transformer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models that load, and models that must not: one line that names the file, the fault and what is accepted. */
final class ModelLoadTest {
    @TempDir
    Path folder;

    @Test
    void theEmbeddedModelLoads() {
        Model model = Model.load("embedded");
        assertEquals(4096, model.config().vocabulary());
        assertEquals(List.of(0), model.config().endIds());
        assertEquals(
                new CacheGeometry(12, 6, 2, 32, 16, ElementType.BF16),
                model.config().cacheGeometry(16, ElementType.BF16));
        assertEquals(4096, model.tokenizer().vocabulary());
    }

    @Test
    void aFolderLoadsAndEveryTypeMeansTheSame() throws IOException {
        TinyModel tiny = new TinyModel();
        float[] expected = logits(Model.load(tiny.write(folder).toString()));
        for (String type : List.of("F16", "BF16")) {
            tiny.type(type);
            assertArrayEquals(expected, logits(Model.load(tiny.write(folder).toString())));
        }
        Model model = Model.load(folder.toString());
        assertEquals(List.of(256, 3), model.config().endIds());
        assertEquals(Optional.empty(), model.profile());
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": 7}");
        assertEquals(List.of(7), Model.load(folder.toString()).config().endIds());
    }

    private static float[] logits(Model model) {
        try (DecodeState state = new DecodeState(model.config(), 3)) {
            return new Transformer(model)
                    .prefill(new NaiveSequence(model.config()), new int[] {256, 65, 66}, state)
                    .clone();
        }
    }

    @Test
    void anUntiedHeadIsReadAndIsMissedWhereItIsNot() {
        TinyModel tiny = new TinyModel();
        tiny.config.put("tie_word_embeddings", false);
        refused(tiny, "model.safetensors", "tensor lm_head.weight is missing");
        tiny.shapes.put("lm_head.weight", new int[] {TinyModel.VOCABULARY, TinyModel.HIDDEN});
        tiny.type("F32");
        assertFalse(Model.load(tiny.write(folder).toString()).config().tiedEmbeddings());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "rope_scaling           | {\"type\": \"linear\", \"factor\": 2} | accepted: null",
                "rope_parameters        | {\"rope_type\": \"llama3\"}           | accepted: rope_type default",
                "attention_bias         | true                                  | accepted: false",
                "mlp_bias               | true                                  | accepted: false",
                "architectures          | [\"GPT2LMHeadModel\"]                 | accepted: LlamaForCausalLM",
                "model_type             | \"mistral\"                           | accepted: llama",
                "hidden_act             | \"gelu\"                              | accepted: silu",
                "quantization_config    | {\"bits\": 4}                         | accepted: none",
                "num_attention_heads    | 0                                     | accepted: 1 or more",
                "num_key_value_heads    | 3                                     | not a multiple",
                "num_hidden_layers      | -1                                    | accepted: 1 or more",
                "hidden_size            | 8.5                                   | is not a whole number",
                "hidden_size            | null                                  | is missing",
                "head_dim               | 3                                     | accepted: an even number",
                "vocab_size             | 250                                   | has 257 tokens, the model has 250"
            })
    void aConfigurationThatComputesOtherwiseIsRefused(String field, String value, String reason) throws IOException {
        TinyModel tiny = new TinyModel();
        tiny.config.set(field, new ObjectMapper().readTree(value));
        refused(tiny, field.equals("vocab_size") ? "tokenizer.json" : "config.json", reason);
    }

    @Test
    void aSpoiltHeaderIsRefused() {
        String query = "model.layers.1.self_attn.q_proj.weight";
        spoilt(header -> header.remove(query), "tensor " + query + " is missing");
        spoilt(header -> entry(header, query).put("dtype", "I8"), "has type I8; accepted: F32, F16, BF16");
        spoilt(header -> entry(header, query).put("dtype", "F16"), "takes 256 bytes, its shape and type make 128");
        spoilt(
                header -> entry(header, query).putArray("shape").add(4).add(16),
                "has shape [4, 16], config.json asks for [8, 8]");
        spoilt(header -> entry(header, query).putArray("data_offsets").add(4), "is malformed");
        spoilt(header -> entry(header, query).putArray("data_offsets").add(9).add(4), "is malformed");
        spoilt(header -> entry(header, query).remove("dtype"), "is malformed");
        spoilt(
                header -> entry(header, "model.norm.weight")
                        .putArray("data_offsets")
                        .add(0)
                        .add(1 << 20),
                "is truncated");
        spoilt(header -> header.remove("model.norm.weight"), "its tensors end at byte");
    }

    private static ObjectNode entry(ObjectNode header, String name) {
        return (ObjectNode) header.get(name);
    }

    private void spoilt(Consumer<ObjectNode> spoil, String reason) {
        new TinyModel().write(folder, spoil);
        assertRefused(folder.toString(), "model.safetensors", reason);
    }

    @Test
    void aTruncatedOrForeignFileIsRefused() throws IOException {
        Path file = new TinyModel().write(folder).resolve("model.safetensors");
        byte[] whole = Files.readAllBytes(file);
        for (int bytes : new int[] {0, 7, 8, 100, whole.length / 2, whole.length - 1}) {
            Files.write(file, Arrays.copyOf(whole, bytes));
            assertRefused(folder.toString(), "model.safetensors", "truncated");
        }
        Files.write(file, Arrays.copyOf(whole, whole.length + 4));
        assertRefused(folder.toString(), "model.safetensors", "bytes of data");
        whole[9] = '!';
        Files.write(file, whole);
        assertRefused(folder.toString(), "model.safetensors", "is not JSON");
    }

    @Test
    void missingFilesAreNamed() throws IOException {
        for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Files.delete(new TinyModel().write(folder).resolve(file));
            assertRefused(folder.toString(), file, "is missing");
        }
        Files.writeString(folder.resolve("model.safetensors.index.json"), "{}");
        assertRefused(folder.toString(), "index.json", "shards are not supported");
        assertRefused("no-such-model", "no-such-model", "is missing; accepted: embedded, a folder");
        Path text = Files.writeString(folder.resolve("notes.txt"), "hello");
        assertRefused(text.toString(), "notes.txt", "is not a model; accepted: embedded, a folder");
    }

    @Test
    void llama2cFilesAreCheckedAgainstTheirHeader() throws IOException {
        Path file = folder.resolve("some.bin");
        Files.write(file, new byte[300]);
        assertRefused(file.toString(), "some.bin", "is not a model");
        Files.write(file, new byte[30]);
        assertRefused(file.toString(), "some.bin", "is truncated");
        ByteBuffer header = ByteBuffer.allocate(400).order(ByteOrder.LITTLE_ENDIAN);
        for (int number : new int[] {8, 12, 2, 2, 1, 300, 32}) {
            header.putInt(number);
        }
        Files.write(file, header.array());
        assertRefused(file.toString(), "some.bin", "is truncated: 400 bytes, its header makes");
        header.putInt(0, 0x616b3432).putInt(4, 2);
        Files.write(file, header.array());
        assertRefused(file.toString(), "some.bin", "has version 2; accepted: llama2.c F32");
    }

    @Test
    void aProfileIsWrittenReadAndChecked() throws IOException {
        new TinyModel().write(folder);
        Path file = folder.resolve(RetentionProfile.FILE_NAME);
        RetentionPolicy.PerLayer profile = new RetentionPolicy.PerLayer("profile", List.of(1.0, .25), 24, 2, 8, 5);
        RetentionProfile.write(file, profile, Map.of("measuredOn", "a text", "recall", List.of(1, .9)));
        assertEquals(profile, RetentionProfile.read(file));
        assertEquals(Optional.of(profile), Model.load(folder.toString()).profile());

        RetentionProfile.write(file, RetentionPolicy.PerLayer.of("profile", List.of(1.0, 1.0, .5)), Map.of());
        assertRefused(folder.toString(), "kv-profile.json", "lists 3 layers, the model has 2");
        Files.writeString(file, Files.readString(file).replace("0.5", "1.5"));
        assertRefused(folder.toString(), "kv-profile.json", "retention share 1.5");
        Files.writeString(file, "{\"shares\": \"half\"}");
        assertRefused(folder.toString(), "kv-profile.json", "shares is not a list");
        Files.writeString(file, "{\"shares\": [1, 1]}");
        assertRefused(folder.toString(), "kv-profile.json", "recentTokens is missing");
    }

    private void refused(TinyModel tiny, String file, String reason) {
        assertRefused(tiny.write(folder).toString(), file, reason);
    }

    private static void assertRefused(String model, String file, String reason) {
        String message = String.valueOf(assertThrows(ModelFormatException.class, () -> Model.load(model))
                .getMessage());
        assertTrue(message.contains(file) && message.contains(reason), message);
        assertEquals(1, message.lines().count(), message);
    }
}
