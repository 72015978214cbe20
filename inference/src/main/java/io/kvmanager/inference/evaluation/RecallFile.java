package io.kvmanager.inference.evaluation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.inference.model.Model;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Recall questions of a file, one JSON object per line:
 * {@code {"kind": "code", "distance": 50, "ids": [0, 2, …], "answer_ids": [221, 21, …]}}. Ids are the model's; other
 * fields are not read.
 */
public final class RecallFile {
    private static final ObjectMapper JSON = new ObjectMapper();

    private RecallFile() {}

    /**
     * Reads the questions.
     *
     * @throws IllegalArgumentException if the file cannot be read, or a line is no question for the model
     */
    public static List<RecallQuestion> read(Path file, Model model) {
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    "recall file '" + file + "' is missing; accepted: a file with one JSON object per line");
        }
        List<RecallQuestion> questions = new ArrayList<>();
        try {
            List<String> lines = Files.readAllLines(file, StandardCharsets.UTF_8);
            for (int i = 0; i < lines.size(); i++) {
                if (!lines.get(i).isBlank()) {
                    questions.add(question(file + " line " + (i + 1), lines.get(i), model));
                }
            }
        } catch (IOException e) {
            throw new IllegalArgumentException("recall file '" + file + "' cannot be read: " + e.getMessage(), e);
        }
        if (questions.isEmpty()) {
            throw new IllegalArgumentException("recall file '" + file + "' holds no question");
        }
        return List.copyOf(questions);
    }

    private static RecallQuestion question(String place, String line, Model model) {
        JsonNode node;
        try {
            node = JSON.readTree(line);
        } catch (IOException e) {
            throw new IllegalArgumentException(place + " is not JSON", e);
        }
        int[] ids = ids(place, node, "ids", model);
        int[] answerIds = ids(place, node, "answer_ids", model);
        if (ids.length < 2 || answerIds.length < 1) {
            throw new IllegalArgumentException(place + " has " + ids.length + " ids and " + answerIds.length
                    + " answer_ids; accepted: 2 and 1 or more");
        }
        if (ids.length + answerIds.length > model.config().context()) {
            throw new IllegalArgumentException(place + " has " + (ids.length + answerIds.length)
                    + " tokens; the model's context is " + model.config().context());
        }
        return new RecallQuestion(
                node.path("kind").asText("unknown"), node.path("distance").asInt(0), ids, answerIds);
    }

    private static int[] ids(String place, JsonNode node, String field, Model model) {
        JsonNode list = node.path(field);
        if (!list.isArray()) {
            throw new IllegalArgumentException(place + ": " + field + " is not a list of token ids");
        }
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = list.get(i);
            int vocabulary = model.config().vocabulary();
            if (!id.isInt() || id.intValue() < 0 || id.intValue() >= vocabulary) {
                throw new IllegalArgumentException(place + ": " + field + " holds " + id
                        + "; accepted: whole numbers from 0 to " + (vocabulary - 1));
            }
            ids[i] = id.intValue();
        }
        return ids;
    }
}
