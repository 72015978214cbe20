package io.kvmanager.bench.replay;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.inference.cli.BadInput;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceFileTest {
    private static final String MOONCAKE = """
        {"timestamp": 0, "input_length": 10, "output_length": 5, "hash_ids": [7, 8, 9]}

        {"timestamp": 27, "input_length": 12, "output_length": 1, "hash_ids": [7, 8, 10]}
        {"timestamp": 27, "input_length": 8, "output_length": 1, "hash_ids": [3, 8]}
        """;
    private static final String AZURE = """
        TIMESTAMP,ContextTokens,GeneratedTokens
        2023-11-16 18:15:46.6805900,10,2
        2023-11-16 18:15:47.0000000,40,2
        2023-11-16 18:16:00.0000000,20,3
        2023-11-16 18:16:20.0000000,26,3
        """;

    @TempDir
    Path folder;

    private String file(String content) throws IOException {
        return Files.writeString(folder.resolve("trace"), content).toString();
    }

    private static int[] numbers(Trace trace, int request) {
        return IntStream.range(0, trace.blocks(request))
                .map(i -> trace.number(trace.firstBlock(request) + i))
                .toArray();
    }

    @Test
    void readsMooncake() throws IOException {
        Trace trace = TraceFile.read(file(MOONCAKE), 4);
        assertEquals(3, trace.requests());
        assertEquals(8, trace.references());
        assertEquals(27, trace.arrivalMillis(1));
        assertEquals(12, trace.inputTokens(1));
        assertArrayEquals(new int[] {0, 1, 3}, numbers(trace, 1));
        assertArrayEquals(new int[] {4, 5}, numbers(trace, 2), "id 8 behind another block is another block");
        assertEquals(0, trace.turn(0));
        assertEquals(1, trace.turn(1));
        assertEquals(0, trace.turn(2));
        assertEquals(3, trace.longestRequestBlocks());
        long[] digests = trace.digests();
        assertArrayEquals(Arrays.copyOf(digests, 8), Arrays.copyOfRange(digests, 12, 20), "a shared prefix");
        assertNotEquals(digests[4], digests[28]);
    }

    @Test
    void readsGzip() throws IOException {
        Path packed = folder.resolve("packed");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
            out.write(MOONCAKE.getBytes(StandardCharsets.UTF_8));
        }
        assertEquals(3, TraceFile.read(packed.toString(), 4).requests());
    }

    @Test
    void readsAzureAndPutsConversationsTogether() throws IOException {
        Trace trace = TraceFile.read(file(AZURE), 4);
        assertEquals(4, trace.requests());
        assertEquals(13_320, trace.arrivalMillis(2) - trace.arrivalMillis(0));
        assertArrayEquals(new int[] {0, 1}, Arrays.copyOf(numbers(trace, 2), 2), "full blocks of 10 tokens");
        assertNotEquals(2, numbers(trace, 2)[2], "the last one was partial");
        assertArrayEquals(Arrays.copyOf(numbers(trace, 2), 5), Arrays.copyOf(numbers(trace, 3), 5));
        assertEquals(2, trace.turn(3));
        assertEquals(0, trace.turn(1), "nothing is short enough and done");
    }

    @ParameterizedTest(name = "{1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "hello | begins with neither",
                "'' | holds no request",
                "{\"timestamp\":0,\"input_length\":0,\"hash_ids\":[]} | holds no request",
                "{\"timestamp\":0,\"input_length\":9,\"hash_ids\":[1]} | line 1 has 1 hash_ids for 9 tokens",
                "{\"timestamp\":0,\"input_length\":4,\"hash_ids\":[1]}~{x | line 2 is no JSON",
                "{\"timestamp\":0,\"input_length\":4} | line 1 lacks",
                "{\"timestamp\":0,\"input_length\":4,\"hash_ids\":[\"a\"]} | no whole number",
                "{\"timestamp\":0,\"input_length\":-4,\"hash_ids\":[]} | line 1 has -4 tokens",
                "{\"timestamp\":5,\"input_length\":4,\"hash_ids\":[1]}~{\"timestamp\":4,\"input_length\":4,"
                        + "\"hash_ids\":[1]} | line 2 arrives before",
                "TIMESTAMP,ContextTokens,GeneratedTokens~2023-11-16 18:15:46.68,10 | line 2 has 2 columns",
                "TIMESTAMP,ContextTokens,GeneratedTokens~yesterday,10,2 | line 2 holds 'yesterday,10,2'",
                "TIMESTAMP,ContextTokens,GeneratedTokens~2023-11-16 18:15:46.68,x,2 | line 2 holds"
            })
    void refusesInOneLine(String content, String message) throws IOException {
        String file = file(content.replace('~', '\n'));
        BadInput refusal = assertThrows(BadInput.class, () -> TraceFile.read(file, 4));
        String line = String.valueOf(refusal.getMessage());
        assertTrue(line.startsWith("--trace '" + file + "' "), line);
        assertTrue(line.contains(message), line);
        assertTrue(line.contains("; accepted: "), line);
    }

    @Test
    void refusesWhatIsNoTrace() throws IOException {
        for (Path path : new Path[] {folder, folder.resolve("absent")}) {
            assertThrows(BadInput.class, () -> TraceFile.read(path.toString(), 4));
        }
        Path damaged = folder.resolve("damaged");
        Files.write(damaged, new byte[] {0x1f, (byte) 0x8b, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7});
        assertThrows(BadInput.class, () -> TraceFile.read(damaged.toString(), 4));
    }
}
