package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RecallFileTest {
    @TempDir
    private Path folder = Path.of("");

    @Test
    void readsQuestions() throws IOException {
        List<RecallQuestion> questions = read("{\"kind\": \"code\", \"distance\": 50, \"ids\": [0, 5, 6],"
                + " \"answer_ids\": [7], \"answer\": \"x\"}\n\n{\"ids\": [1, 2], \"answer_ids\": [3, 4]}\n");
        assertEquals(2, questions.size());
        assertEquals("code", questions.get(0).kind());
        assertEquals(50, questions.get(0).distance());
        assertArrayEquals(new int[] {0, 5, 6}, questions.get(0).ids());
        assertArrayEquals(new int[] {3, 4}, questions.get(1).answerIds());
        assertEquals("unknown", questions.get(1).kind());
    }

    @Test
    void aBadLineIsNamed() {
        Map<String, String> refused = Map.of(
                "{\"ids\": [0, 1], \"answer_ids\": [2]}\nnot json", "line 2 is not JSON",
                "[1]", "ids is not a list of token ids",
                "{\"ids\": [0, 1]}", "answer_ids is not a list",
                "{\"ids\": [0, 4096], \"answer_ids\": [2]}", "ids holds 4096; accepted: whole numbers from 0 to 4095",
                "{\"ids\": [0, 1.5], \"answer_ids\": [2]}", "ids holds 1.5",
                "{\"ids\": [0], \"answer_ids\": [2]}", "has 1 ids",
                "\n", "holds no question");
        refused.forEach((text, part) -> {
            IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> read(text), text);
            assertTrue(refusal.getMessage().contains(part), refusal.getMessage());
        });
        Path missing = folder.resolve("none.jsonl");
        assertThrows(IllegalArgumentException.class, () -> RecallFile.read(missing, Prose.MODEL));
    }

    private List<RecallQuestion> read(String text) throws IOException {
        Path file = folder.resolve("questions.jsonl");
        Files.writeString(file, text);
        return RecallFile.read(file, Prose.MODEL);
    }
}
