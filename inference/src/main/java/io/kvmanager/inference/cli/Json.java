package io.kvmanager.inference.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.CacheName;
import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The JSON that commands write: one object with {@code schema}, {@code command}, {@code device}, {@code jvm},
 * {@code model} where there is one, and {@code runs}, one per cache. Fields keep the order they are put in. Sizes are
 * bytes, times nanoseconds, ratios 0..1.
 */
public final class Json {
    /** The shape of these objects; a change that breaks readers changes it. */
    static final String SCHEMA = "kv/1";

    private static final ObjectMapper MAPPER = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private Json() {}

    /** The object around {@code runs}, which is still empty. */
    public static ObjectNode envelope(String command, String device, @Nullable Model model) {
        ObjectNode root = JsonNodeFactory.instance.objectNode();
        root.put("schema", SCHEMA);
        root.put("command", command);
        root.put("device", device);
        root.put("jvm", Machine.jvm());
        if (model != null) {
            ModelConfig config = model.config();
            root.putObject("model")
                    .put("name", model.name())
                    .put("layers", config.layers())
                    .put("queryHeads", config.queryHeads())
                    .put("kvHeads", config.kvHeads())
                    .put("headSize", config.headSize())
                    .put("context", config.context())
                    .put("vocabulary", config.vocabulary());
        }
        root.putArray("runs");
        return root;
    }

    /** Adds a run to an envelope; measured fields follow behind those that every run has. */
    static ObjectNode addRun(ObjectNode envelope, Run run) {
        ObjectNode node = ((ArrayNode) envelope.get("runs")).addObject();
        node.put("cache", run.cache().toString());
        node.put("configuration", run.configuration());
        node.put("deviceBytesPeak", run.deviceBytesPeak());
        node.put("hostBytesPeak", run.hostBytesPeak());
        node.put("fullBytes", run.fullBytes());
        run.retainedTokensPerLayer().forEach(node.putArray("retainedTokensPerLayer")::add);
        node.put("bytesFetched", run.bytesFetched());
        node.putObject("tokensPerSecond")
                .put("prefill", run.prefillTokensPerSecond())
                .put("decode", run.decodeTokensPerSecond());
        return node;
    }

    /**
     * What every run of a cache has.
     *
     * @param cache the cache
     * @param configuration effective settings, for people
     * @param deviceBytesPeak device bytes used at most
     * @param hostBytesPeak host bytes used at most
     * @param fullBytes bytes that {@code full} would hold for the same tokens
     * @param retainedTokensPerLayer slots each layer held at the end
     * @param bytesFetched bytes copied from host to device memory
     * @param prefillTokensPerSecond prompt tokens a second
     * @param decodeTokensPerSecond generated tokens a second
     */
    record Run(
            CacheName cache,
            String configuration,
            long deviceBytesPeak,
            long hostBytesPeak,
            long fullBytes,
            List<Integer> retainedTokensPerLayer,
            long bytesFetched,
            double prefillTokensPerSecond,
            double decodeTokensPerSecond) {
        Run {
            retainedTokensPerLayer = List.copyOf(retainedTokensPerLayer);
        }
    }

    /** The text of a file. */
    static String text(ObjectNode json) {
        try {
            return MAPPER.writeValueAsString(json) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
