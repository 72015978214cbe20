package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.inference.SharedFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The recall questions that came with the embedded model: what it answered when it was made, it answers here. */
final class SharedRecallTest {
    private static final int EVERY = 4;

    @Test
    void fullAnswersAsRecordedAndTheProfileKeepsThat() throws IOException {
        Path file = SharedFiles.path("model/needles.jsonl");
        List<RecallQuestion> questions = new ArrayList<>();
        List<Boolean> expected = new ArrayList<>();
        List<RecallQuestion> all = RecallFile.read(file, Prose.MODEL);
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < all.size(); i += EVERY) {
            questions.add(all.get(i));
            expected.add(new ObjectMapper()
                    .readTree(lines.get(i))
                    .get("full_cache_right")
                    .booleanValue());
        }
        List<EntryResult> results = new Comparison(
                        Prose.MODEL,
                        Map.of("elementType", "f32"),
                        "auto",
                        Prose.text(100).windows(40, 2, 1),
                        questions)
                .run(CacheEntry.parseList("pyramid[retention=profile]"), (what, at, of) -> {});
        assertEquals(
                expected,
                results.getFirst().answers().stream().map(RecallAnswer::right).toList());
        assertEquals(1, results.getLast().recallOfFull());
    }
}
