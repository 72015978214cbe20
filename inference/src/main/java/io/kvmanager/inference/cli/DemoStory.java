package io.kvmanager.inference.cli;

import io.kvmanager.inference.model.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The demo's own text: a story in which facts are told, its continuation, and questions about the facts, in the form
 * that the embedded model was trained to answer.
 *
 * <pre>
 * promptIds   the story with the facts                            prefilled
 * nextIds     continuation, then question and answer by turns     fed one by one; all known ("teacher-forced")
 * </pre>
 *
 * @param opening the story without the facts, to be continued
 * @param promptIds its ids
 * @param nextIds ids behind the prompt
 * @param continuationTokens tokens of the continuation, which perplexity is measured on
 * @param answers where in {@code nextIds} the answers are
 */
record DemoStory(
        String opening, List<Integer> promptIds, List<Integer> nextIds, int continuationTokens, List<Answer> answers) {
    DemoStory {
        promptIds = List.copyOf(promptIds);
        nextIds = List.copyOf(nextIds);
        answers = List.copyOf(answers);
    }

    /**
     * An answer's place.
     *
     * @param question the question, for people
     * @param text the right answer
     * @param from index of its first token in {@code nextIds}
     * @param to behind its last token
     */
    record Answer(String question, String text, int from, int to) {}

    /** The story under the model's tokenizer. */
    static DemoStory of(Tokenizer tokenizer) {
        String[] parts = resource("demo-story.txt").split("----\n", -1);
        List<Integer> promptIds = boxed(tokenizer.encode(parts[0]));
        int start = tokenizer.encode("").length;
        List<Integer> next = new ArrayList<>();
        append(next, tokenizer, start, parts[1]);
        int continuationTokens = next.size();
        List<Answer> answers = new ArrayList<>();
        for (String line : resource("demo-questions.txt").lines().toList()) {
            String[] pieces = line.split("\\|", -1);
            append(next, tokenizer, start, pieces[0]);
            int from = next.size();
            append(next, tokenizer, start, pieces[1]);
            answers.add(new Answer(pieces[0], pieces[1].strip(), from, next.size()));
            append(next, tokenizer, start, pieces[2] + "\n");
        }
        return new DemoStory(opening(parts[0]), promptIds, next, continuationTokens, answers);
    }

    /** A shorter one for quick checks: the prompt's last tokens, and no more than {@code nextTokens} behind them. */
    DemoStory shortened(int promptTokens, int nextTokens) {
        int from = Math.max(0, promptIds.size() - promptTokens);
        int to = Math.min(nextIds.size(), nextTokens);
        return new DemoStory(
                opening,
                promptIds.subList(from, promptIds.size()),
                nextIds.subList(0, to),
                Math.min(continuationTokens, to),
                answers.stream().filter(answer -> answer.to() <= to).toList());
    }

    /** Tokens of the whole. */
    int tokens() {
        return promptIds.size() + nextIds.size();
    }

    /** Answers that a model which gave {@code best} at each step would have given right, every token of them. */
    int answeredRight(List<Integer> best) {
        int right = 0;
        for (Answer answer : answers) {
            if (IntStream.range(answer.from(), answer.to())
                    .allMatch(i -> best.get(i).equals(nextIds.get(i)))) {
                right++;
            }
        }
        return right;
    }

    private static List<Integer> boxed(int[] ids) {
        return IntStream.of(ids).boxed().toList();
    }

    /** Ids as the engine takes them. */
    static int[] array(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static String opening(String story) {
        return story.lines()
                        .filter(line -> !line.startsWith("The code for") && !line.startsWith("The password of"))
                        .collect(Collectors.joining("\n"))
                + "\n";
    }

    private static void append(List<Integer> ids, Tokenizer tokenizer, int start, String text) {
        int[] encoded = tokenizer.encode(text);
        for (int i = start; i < encoded.length; i++) {
            ids.add(encoded[i]);
        }
    }

    private static String resource(String name) {
        try (InputStream stream = Objects.requireNonNull(DemoStory.class.getResourceAsStream(name), name)) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
