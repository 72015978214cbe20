package io.kvmanager.inference.evaluation;

import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import io.kvmanager.inference.model.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;

/** A text as token ids, without a start token, and the windows and passages taken from it. */
public final class EvaluationText {
    private static final String DOCUMENT_END = Pattern.quote("<|endoftext|>");

    private final String name;
    private final int startId;
    private final int[] ids;
    private final int[] lineStarts;

    /** A piece of the text to measure on. Immutable. */
    public static final class Window {
        private final int[] prompt;
        private final int[] next;

        private Window(int[] prompt, int[] next) {
            this.prompt = prompt;
            this.next = next;
        }

        /** Ids of the prompt, the model's start token first where it has one; a copy. */
        public int[] prompt() {
            return prompt.clone();
        }

        /** Ids that follow; a copy. */
        public int[] next() {
            return next.clone();
        }

        /** Tokens of the prompt. */
        public int promptTokens() {
            return prompt.length;
        }

        /** Tokens of both. */
        public int tokens() {
            return prompt.length + next.length;
        }
    }

    private EvaluationText(String name, int startId, int[] ids, int[] lineStarts) {
        this.name = name;
        this.startId = startId;
        this.ids = ids;
        this.lineStarts = lineStarts;
    }

    /**
     * Reads a UTF-8 file, gzip-compressed if its name ends in {@code .gz}.
     *
     * @throws IllegalArgumentException if it cannot be read
     */
    public static EvaluationText read(Path file, Model model) {
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException("text '" + file + "' is missing; accepted: a UTF-8 file, also as .gz");
        }
        try (InputStream raw = Files.newInputStream(file);
                InputStream in = file.toString().endsWith(".gz") ? new GZIPInputStream(raw) : raw) {
            return of(file.toString(), new String(in.readAllBytes(), StandardCharsets.UTF_8), model);
        } catch (IOException e) {
            throw new IllegalArgumentException("text '" + file + "' cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * Takes a text; line ends become {@code \n}. Where it holds several documents, each but the first begins behind
     * {@code <|endoftext|>}, for which the model's start token stands where it has one.
     */
    public static EvaluationText of(String name, String text, Model model) {
        String clean = text.replace("\uFEFF", "").replace("\r\n", "\n");
        int[] ids = encodeDocuments(model, clean);
        List<Integer> starts = new ArrayList<>();
        boolean behindLineEnd = true;
        for (int i = 0; i < ids.length; i++) {
            byte[] bytes = model.tokenizer().bytes(ModelConfig.NO_TOKEN, ids[i]);
            boolean lineEnd = bytes.length > 0 && bytes[bytes.length - 1] == '\n';
            if (behindLineEnd && !lineEnd) {
                starts.add(i);
            }
            behindLineEnd = lineEnd;
        }
        int[] lineStarts = starts.stream().mapToInt(Integer::intValue).toArray();
        return new EvaluationText(name, model.config().startId(), ids, lineStarts);
    }

    private static int[] encodeDocuments(Model model, String text) {
        String[] documents = text.split(DOCUMENT_END, -1);
        if (documents.length == 1) {
            return encode(model, text);
        }
        int startId = model.config().startId();
        int[] boundary = startId == ModelConfig.NO_TOKEN ? new int[0] : new int[] {startId};
        return Arrays.stream(documents)
                .map(String::strip)
                .filter(document -> !document.isEmpty())
                .flatMapToInt(document ->
                        IntStream.concat(Arrays.stream(boundary), Arrays.stream(encode(model, document + "\n"))))
                .skip(boundary.length) // what begins with the text begins with the window's own start token
                .toArray();
    }

    /** Ids of a piece of text, without a start token. */
    static int[] encode(Model model, String text) {
        Tokenizer tokenizer = model.tokenizer();
        int[] ids = tokenizer.encode(text);
        int startId = model.config().startId();
        boolean started = startId != ModelConfig.NO_TOKEN && ids.length > 0 && ids[0] == startId;
        return started ? Arrays.copyOfRange(ids, 1, ids.length) : ids;
    }

    /** Tokens of the text. */
    public int tokens() {
        return ids.length;
    }

    /**
     * Windows that do not overlap, spread evenly over the text.
     *
     * @param promptTokens tokens of each prompt, the start token included
     * @param newTokens tokens that follow
     * @throws IllegalArgumentException if the text is too short
     */
    public List<Window> windows(int promptTokens, int newTokens, int windows) {
        boolean starts = startId != ModelConfig.NO_TOKEN;
        int taken = promptTokens + newTokens - (starts ? 1 : 0);
        long needed = (long) windows * taken;
        if (needed > ids.length) {
            throw new IllegalArgumentException("text '" + name + "' has " + ids.length + " tokens; " + windows
                    + " windows of " + promptTokens + " prompt and " + newTokens + " new tokens need " + needed);
        }
        List<Window> found = new ArrayList<>();
        for (int i = 0; i < windows; i++) {
            // The middle of each of as many equal parts
            long part = (long) ids.length * (2 * i + 1) / (2L * windows);
            int first = (int) part - taken / 2;
            int[] text = Arrays.copyOfRange(ids, first, first + taken);
            int[] all = starts ? prepend(startId, text) : text;
            found.add(new Window(Arrays.copyOf(all, promptTokens), Arrays.copyOfRange(all, promptTokens, all.length)));
        }
        return List.copyOf(found);
    }

    private static int[] prepend(int id, int[] ids) {
        int[] all = new int[ids.length + 1];
        all[0] = id;
        System.arraycopy(ids, 0, all, 1, ids.length);
        return all;
    }

    /**
     * {@code tokens} tokens that begin at the start of a line.
     *
     * @param place where in the text, from 0 to below 1
     * @throws IllegalArgumentException if the text is too short
     */
    int[] passage(double place, int tokens) {
        int usable = 0;
        while (usable < lineStarts.length && lineStarts[usable] + tokens <= ids.length) {
            usable++;
        }
        if (usable == 0) {
            throw new IllegalArgumentException("text '" + name + "' has " + ids.length
                    + " tokens; passages between a fact and its question need " + tokens);
        }
        int first = lineStarts[(int) (place * usable)];
        return Arrays.copyOfRange(ids, first, first + tokens);
    }
}
