package io.kvmanager.inference.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.RetentionPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The file beside a model that says how much each of its layers may forget; what {@code kv calibrate} writes.
 *
 * <pre>{@code
 * {"name": "profile", "shares": [1, 0.1, ...], "recentTokens": 32, "sinkTokens": 4,
 *  "observationQueries": 16, "poolingWidth": 7, ...}
 * }</pre>
 *
 * <p>Further fields are for people and are not read.
 */
public final class RetentionProfile {
    /** The file's name. */
    public static final String FILE_NAME = "kv-profile.json";

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private RetentionProfile() {}

    /**
     * Reads a profile.
     *
     * @throws ModelFormatException if the file cannot be read or is not a profile
     */
    public static RetentionPolicy.PerLayer read(Path file) {
        try {
            return parse(file.toString(), Files.readAllBytes(file));
        } catch (IOException e) {
            throw new ModelFormatException(file.toString(), "cannot be read: " + e.getMessage(), e);
        }
    }

    static RetentionPolicy.PerLayer parse(String file, byte[] text) {
        JsonFields fields = JsonFields.parse(file, text);
        JsonNode shares = fields.required("shares");
        if (!shares.isArray() || shares.isEmpty()) {
            throw new ModelFormatException(file, "shares is not a list of numbers, one per layer");
        }
        List<Double> perLayer = new ArrayList<>();
        for (JsonNode share : shares) {
            if (!share.isNumber()) {
                throw new ModelFormatException(file, "share " + share + " is not a number");
            }
            perLayer.add(share.doubleValue());
        }
        try {
            return new RetentionPolicy.PerLayer(
                    fields.text("name", "profile"),
                    perLayer,
                    fields.integer("recentTokens"),
                    fields.integer("sinkTokens"),
                    fields.integer("observationQueries"),
                    fields.integer("poolingWidth"));
        } catch (ModelFormatException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(file, String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Writes a profile that {@link #read} reads.
     *
     * @param remarks further fields, behind the profile's own: numbers, text, lists, maps
     * @throws IOException if the file cannot be written
     */
    public static void write(Path file, RetentionPolicy.PerLayer profile, Map<String, ?> remarks) throws IOException {
        ObjectNode root = JSON.createObjectNode();
        root.put("name", profile.name());
        profile.shares().forEach(root.putArray("shares")::add);
        root.put("recentTokens", profile.recentTokens());
        root.put("sinkTokens", profile.sinkTokens());
        root.put("observationQueries", profile.observationQueries());
        root.put("poolingWidth", profile.poolingWidth());
        remarks.forEach((name, value) -> {
            if (!root.has(name)) {
                root.set(name, JSON.valueToTree(value));
            }
        });
        Files.writeString(file, JSON.writeValueAsString(root) + "\n");
    }
}
