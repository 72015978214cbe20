package io.kvmanager.inference.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;

/**
 * A JSON object of a model's file, whose fields are asked for by name and kind.
 *
 * @param file for messages
 * @param node the object
 */
record JsonFields(String file, JsonNode node) {
    private static final ObjectMapper JSON = new ObjectMapper();

    static JsonFields parse(String file, byte[] text) {
        JsonNode node;
        try {
            node = JSON.readTree(text);
        } catch (IOException e) {
            String problem = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
            throw new ModelFormatException(file, "is not JSON: " + problem, e);
        }
        if (node == null || !node.isObject()) {
            throw new ModelFormatException(file, "is not a JSON object");
        }
        return new JsonFields(file, node);
    }

    /** Whether the field is there and not null. */
    boolean has(String name) {
        return node.hasNonNull(name);
    }

    JsonNode required(String name) {
        if (!has(name)) {
            throw new ModelFormatException(file, "field " + name + " is missing");
        }
        return node.get(name);
    }

    int integer(String name) {
        JsonNode value = required(name);
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw new ModelFormatException(file, name + " " + value + " is not a whole number");
        }
        return value.intValue();
    }

    int integer(String name, int otherwise) {
        return has(name) ? integer(name) : otherwise;
    }

    double number(String name, double otherwise) {
        if (!has(name)) {
            return otherwise;
        }
        JsonNode value = node.get(name);
        if (!value.isNumber()) {
            throw new ModelFormatException(file, name + " " + value + " is not a number");
        }
        return value.doubleValue();
    }

    String text(String name, String otherwise) {
        if (!has(name)) {
            return otherwise;
        }
        JsonNode value = node.get(name);
        if (!value.isTextual()) {
            throw new ModelFormatException(file, name + " " + value + " is not a text");
        }
        return value.textValue();
    }

    boolean flag(String name, boolean otherwise) {
        if (!has(name)) {
            return otherwise;
        }
        JsonNode value = node.get(name);
        if (!value.isBoolean()) {
            throw new ModelFormatException(file, name + " " + value + " is not true or false");
        }
        return value.booleanValue();
    }

    /** Refuses the file where a field says something that is not supported. */
    void mustBe(String name, boolean accepted, String what) {
        if (!accepted) {
            throw new ModelFormatException(file, name + " " + node.path(name) + " is not supported; accepted: " + what);
        }
    }
}
