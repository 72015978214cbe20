package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class EvaluationTextTest {
    @TempDir
    private Path folder = Path.of("");

    @Test
    void windowsHaveTheirLengthsAndStartWithTheStartToken() {
        EvaluationText text = Prose.text(100);
        List<EvaluationText.Window> windows = text.windows(50, 10, 3);
        assertEquals(3, windows.size());
        for (EvaluationText.Window window : windows) {
            assertEquals(50, window.prompt().length);
            assertEquals(10, window.next().length);
            assertEquals(Prose.MODEL.config().startId(), window.prompt()[0]);
        }
        int most = text.tokens() / 59;
        assertEquals(most, text.windows(50, 10, most).size());
        assertThrows(IllegalArgumentException.class, () -> text.windows(50, 10, most + 1));
    }

    @Test
    void aStartTokenStandsBetweenDocuments() {
        EvaluationText text =
                EvaluationText.of("two", "One day.\n<|endoftext|>\nTwo days.\n<|endoftext|>", Prose.MODEL);
        int[] one = EvaluationText.encode(Prose.MODEL, "One day.\n");
        int[] two = EvaluationText.encode(Prose.MODEL, "Two days.\n");
        assertEquals(one.length + 1 + two.length, text.tokens());
        EvaluationText.Window window =
                text.windows(one.length + 2, two.length, 1).getFirst();
        assertEquals(Prose.MODEL.config().startId(), window.prompt()[one.length + 1]);
        assertArrayEquals(two, window.next());
    }

    @Test
    void readsPlainAndCompressedFilesWithAnyLineEnd() throws IOException {
        Path plain = folder.resolve("text.txt");
        Files.writeString(plain, "\uFEFFOne day.\r\nTwo days.\r\n");
        Path compressed = folder.resolve("text.txt.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(compressed))) {
            out.write("One day.\nTwo days.\n".getBytes(StandardCharsets.UTF_8));
        }
        int[] first = EvaluationText.read(plain, Prose.MODEL).passage(0, 4);
        assertArrayEquals(first, EvaluationText.read(compressed, Prose.MODEL).passage(0, 4));
        Path none = folder.resolve("none.txt");
        assertThrows(IllegalArgumentException.class, () -> EvaluationText.read(none, Prose.MODEL));
        Path broken = Files.writeString(folder.resolve("broken.gz"), "plain");
        assertThrows(IllegalArgumentException.class, () -> EvaluationText.read(broken, Prose.MODEL));
    }
}
