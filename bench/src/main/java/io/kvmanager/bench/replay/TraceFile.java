package io.kvmanager.bench.replay;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvmanager.inference.cli.BadInput;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Reads traces; the content says which kind, and whether it is packed with gzip.
 *
 * <p>Mooncake: one JSON object a line with {@code timestamp} (milliseconds), {@code input_length} (tokens) and
 * {@code hash_ids}, one per started block of the input. Azure: CSV with the columns {@code TIMESTAMP},
 * {@code ContextTokens}, {@code GeneratedTokens}; its conversations are put together by {@link Conversations}.
 */
final class TraceFile {
    private static final String FLAG = "--trace";
    private static final String ACCEPTED =
            "; accepted: Mooncake's JSON lines or Azure's CSV (TIMESTAMP,ContextTokens,GeneratedTokens), also as .gz";
    private static final String CSV_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
    private static final int GZIP_MAGIC = 0x1f8b;
    private static final int MOST_TOKENS = 1 << 27;

    private final String file;
    private final int blockTokens;
    private final ObjectMapper mapper = new ObjectMapper();
    private long lineNumber;
    private long lastMillis = Long.MIN_VALUE;

    private TraceFile(String file, int blockTokens) {
        this.file = file;
        this.blockTokens = blockTokens;
    }

    /**
     * Reads a trace.
     *
     * @throws BadInput if the file is missing, of another kind, out of order, or of another block length
     */
    static Trace read(String file, int blockTokens) {
        return new TraceFile(file, blockTokens).read();
    }

    private Trace read() {
        Path path;
        try {
            path = Path.of(file);
        } catch (InvalidPathException e) {
            throw bad("is no path");
        }
        if (!Files.isRegularFile(path) || !Files.isReadable(path)) {
            throw bad("is no file that can be read");
        }
        try (InputStream in = unpacked(path);
                BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
            return requests(lines).build(String.valueOf(path.getFileName()));
        } catch (ZipException e) {
            throw bad("is damaged: " + e.getMessage());
        } catch (IOException e) {
            throw bad("cannot be read: " + e.getMessage());
        } catch (IllegalArgumentException e) {
            throw bad(String.valueOf(e.getMessage()));
        }
    }

    private static InputStream unpacked(Path path) throws IOException {
        InputStream in = new BufferedInputStream(Files.newInputStream(path));
        in.mark(2);
        int magic = (in.read() << 8) | in.read();
        in.reset();
        return magic == GZIP_MAGIC ? new GZIPInputStream(in) : in;
    }

    private Trace.Builder requests(BufferedReader lines) throws IOException {
        Trace.Builder trace = new Trace.Builder(blockTokens);
        String line = next(lines);
        if (line == null) {
            return trace;
        }
        if (line.startsWith("{")) {
            for (; line != null; line = next(lines)) {
                if (!line.isBlank()) {
                    addMooncake(line, trace);
                }
            }
            return trace;
        }
        if (!line.strip().equals(CSV_HEADER)) {
            throw bad("begins with neither { nor " + CSV_HEADER);
        }
        Conversations conversations = new Conversations(blockTokens, trace);
        for (line = next(lines); line != null; line = next(lines)) {
            if (!line.isBlank()) {
                addAzure(line, conversations);
            }
        }
        return trace;
    }

    private @Nullable String next(BufferedReader lines) throws IOException {
        lineNumber++;
        return lines.readLine();
    }

    private void addMooncake(String line, Trace.Builder trace) {
        JsonNode request;
        try {
            request = mapper.readTree(line);
        } catch (JsonProcessingException e) {
            throw badLine("is no JSON object");
        }
        JsonNode hashIds = request.path("hash_ids");
        JsonNode length = request.path("input_length");
        JsonNode timestamp = request.path("timestamp");
        if (!hashIds.isArray() || !length.canConvertToInt() || !timestamp.isNumber()) {
            throw badLine("lacks timestamp, input_length or hash_ids");
        }
        int tokens = tokens(length.intValue());
        if ((long) hashIds.size() != blocks(tokens)) {
            throw badLine("has " + hashIds.size() + " hash_ids for " + tokens + " tokens, which are not blocks of "
                    + blockTokens + " (--block-tokens)");
        }
        long[] ids = new long[hashIds.size()];
        for (int i = 0; i < ids.length; i++) {
            if (!hashIds.get(i).canConvertToLong()) {
                throw badLine("has a hash id that is no whole number");
            }
            ids[i] = hashIds.get(i).longValue();
        }
        trace.add(inOrder(timestamp.longValue()), tokens, ids);
    }

    private void addAzure(String line, Conversations conversations) {
        String[] cells = line.strip().split(",", -1);
        if (cells.length != 3) {
            throw badLine("has " + cells.length + " columns");
        }
        try {
            long millis = LocalDateTime.parse(cells[0].replace(' ', 'T'))
                    .toInstant(ZoneOffset.UTC)
                    .toEpochMilli();
            conversations.add(inOrder(millis), tokens(Integer.parseInt(cells[1])), tokens(Integer.parseInt(cells[2])));
        } catch (DateTimeParseException | NumberFormatException e) {
            throw badLine("holds '" + line.strip() + "'");
        }
    }

    private int tokens(int count) {
        if (count < 0 || count > MOST_TOKENS) {
            throw badLine("has " + count + " tokens");
        }
        return count;
    }

    private long inOrder(long millis) {
        if (millis < lastMillis) {
            throw badLine("arrives before the line above it");
        }
        lastMillis = millis;
        return millis;
    }

    private int blocks(int tokens) {
        return Math.ceilDiv(tokens, blockTokens);
    }

    private BadInput bad(String what) {
        return new BadInput(FLAG + " '" + file + "' " + what + ACCEPTED);
    }

    private BadInput badLine(String what) {
        return new BadInput(FLAG + " '" + file + "' line " + lineNumber + " " + what + ACCEPTED);
    }
}
