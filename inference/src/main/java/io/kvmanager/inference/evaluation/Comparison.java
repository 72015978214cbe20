package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.inference.DecodeLoop;
import io.kvmanager.inference.Generation;
import io.kvmanager.inference.Sampler;
import io.kvmanager.inference.Score;
import io.kvmanager.inference.Scoring;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs caches over the same windows and questions. {@code full} goes first and is the oracle; every window and every
 * question has a cache of its own, whose budgets are derived for exactly its length.
 */
public final class Comparison {
    private final Model model;
    private final Map<String, String> settings;
    private final String device;
    private final List<EvaluationText.Window> windows;
    private final List<RecallQuestion> questions;
    private final List<OracleWindow> oracles = new ArrayList<>();

    /**
     * Prepares a comparison.
     *
     * @param settings settings of all entries
     * @param device device name
     * @param windows at least one, all of the same lengths
     * @param questions none to leave recall out
     */
    public Comparison(
            Model model,
            Map<String, String> settings,
            String device,
            List<EvaluationText.Window> windows,
            List<RecallQuestion> questions) {
        this.model = model;
        this.settings = Map.copyOf(settings);
        this.device = device;
        this.windows = List.copyOf(windows);
        this.questions = List.copyOf(questions);
    }

    /** {@code entries} with {@code full} in front: the one listed without settings of its own, else added. */
    public static List<CacheEntry> withFullFirst(List<CacheEntry> entries) {
        List<CacheEntry> ordered = new ArrayList<>();
        ordered.add(CacheEntry.FULL);
        for (CacheEntry entry : entries) {
            if (entry.cache() != CacheName.FULL || !entry.settings().isEmpty()) {
                ordered.add(entry);
            }
        }
        return List.copyOf(ordered);
    }

    /**
     * Runs the entries, {@code full} first whether listed or not.
     *
     * @throws IllegalArgumentException if an entry's settings do not fit, before anything runs
     */
    public List<EntryResult> run(List<CacheEntry> entries, EvaluationProgress progress) {
        List<CacheEntry> ordered = withFullFirst(entries);
        for (CacheEntry entry : ordered) {
            windowConfig(entry);
        }
        oracles.clear();
        List<EntryResult> results = new ArrayList<>();
        int perEntry = 2 * windows.size() + questions.size();
        for (int i = 0; i < ordered.size(); i++) {
            CacheEntry entry = ordered.get(i);
            int before = i * perEntry;
            EvaluationProgress own =
                    (what, done, steps) -> progress.step(what, before + done, ordered.size() * perEntry);
            results.add(measure(entry, results, own));
        }
        return List.copyOf(results);
    }

    private KvCacheConfig windowConfig(CacheEntry entry) {
        EvaluationText.Window window = windows.getFirst();
        return entry.config(model, window.promptTokens(), window.tokens(), settings, device);
    }

    private EntryResult measure(CacheEntry entry, List<EntryResult> before, EvaluationProgress progress) {
        KvCacheConfig config = windowConfig(entry);
        WindowTally tally = new WindowTally(config.geometry());
        for (int i = 0; i < windows.size(); i++) {
            progress.step(entry.label() + ", window " + (i + 1), i, 0);
            score(config, i, tally);
        }
        for (int i = 0; i < windows.size(); i++) {
            progress.step(entry.label() + ", continuation " + (i + 1), windows.size() + i, 0);
            goOn(config, i, before.isEmpty(), tally);
        }
        List<RecallAnswer> answers = answers(entry, before.isEmpty() ? null : before.getFirst(), progress);
        double perplexityOfFull =
                before.isEmpty() ? tally.perplexity() : before.getFirst().perplexity();
        return tally.result(entry, config, perplexityOfFull, config.maxSequenceTokens() - 1, answers);
    }

    /** Teacher-forced, and every attention checked; nobody looks at the clock here. */
    private void score(KvCacheConfig config, int index, WindowTally tally) {
        EvaluationText.Window window = windows.get(index);
        boolean isOracle = oracles.size() == index;
        OracleWindow oracle = isOracle ? new OracleWindow(window.tokens() - window.promptTokens()) : oracles.get(index);
        double[] divergence = {0};
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence()) {
            AttentionAudit audit = new AttentionAudit(sequence, config.geometry(), window.tokens(), tally.audit());
            Score score = Scoring.teacherForced(model, audit, window.prompt(), window.next(), (step, logits) -> {
                if (isOracle) {
                    oracle.keep(step, logits);
                } else {
                    divergence[0] += oracle.divergence(step, logits);
                }
            });
            if (isOracle) {
                oracle.score(score);
                oracles.add(oracle);
            }
            tally.add(score, oracle.score(), divergence[0]);
            tally.addUse(cache, sequence);
        }
    }

    /** The greedy continuation. What the JIT compiler does first has happened in {@link #score}, so this is timed. */
    private void goOn(KvCacheConfig config, int index, boolean isOracle, WindowTally tally) {
        EvaluationText.Window window = windows.get(index);
        OracleWindow oracle = oracles.get(index);
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence()) {
            int tokens = window.tokens() - window.promptTokens();
            Generation text = DecodeLoop.generate(model, sequence, window.prompt(), tokens, Sampler.greedy(), id -> {});
            if (isOracle) {
                oracle.greedy(text.ids());
            }
            tally.add(text, oracle);
        }
    }

    private List<RecallAnswer> answers(CacheEntry entry, @Nullable EntryResult full, EvaluationProgress progress) {
        List<RecallAnswer> answers = new ArrayList<>();
        try (RecallCheck check = new RecallCheck(model, questions)) {
            for (RecallQuestion question : questions) {
                int index = answers.size();
                progress.step(entry.label() + ", question " + (index + 1), 2 * windows.size() + index, 0);
                KvCacheConfig config =
                        entry.config(model, question.promptTokens() - 1, question.tokens(), settings, device);
                try (KvCache cache = KvCache.open(config);
                        KvSequence sequence = cache.openSequence()) {
                    check.prefill(sequence, question);
                    boolean right = check.answersRight(sequence, question);
                    double share =
                            (double) cache.memory().deviceBytesPeak() / config.fullBytes(config.maxSequenceTokens());
                    answers.add(new RecallAnswer(
                            question.distance(),
                            question.depth(),
                            right,
                            full == null ? right : full.answers().get(index).right(),
                            share));
                }
            }
        }
        return answers;
    }
}
