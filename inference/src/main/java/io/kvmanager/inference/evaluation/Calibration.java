package io.kvmanager.inference.evaluation;

import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvSequence;
import io.kvmanager.RetentionPolicy.PerLayer;
import io.kvmanager.inference.Scoring;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Measures how much each layer of a model may forget.
 *
 * <ol>
 *   <li>Prose and recall questions run once under {@code full} and are recorded. From exact attention weights follows
 *       the mass that later steps pay to what a layer would not have kept, for each candidate share.
 *   <li>{@link ShareChooser} picks the shares; its trial answers the recorded questions as the pruned cache would.
 *   <li>The real pruned cache runs the prose again, which says what to expect, and then prose and questions that took no
 *       part in the choice.
 * </ol>
 */
public final class Calibration {
    /** Shares that are tried. */
    public static final List<Double> SHARES = List.of(.1, .15, .25, .35, .5, .7, 1.);

    /** How much less likely a right answer may become, mean over the questions, nats. */
    private static final double ANSWER_NATS = .05;

    private static final int WINDOWS = 2;
    private static final int NEW_TOKENS = 128;

    private final Model model;
    private final EvaluationText text;
    private final PerLayer policy;
    private final double tolerance;
    private final String device;

    /**
     * What was measured.
     *
     * @param profile the chosen shares
     * @param mass what steps of prose or answers miss, whichever is more
     * @param calibrationQuestions questions that {@code full} answers right and the choice had to keep
     * @param predicted what follows for text of the same kind
     * @param verified the real cache with the profile, on prose and questions that took no part
     */
    public record Result(
            PerLayer profile, MassTable mass, int calibrationQuestions, Prediction predicted, EntryResult verified) {}

    /**
     * What the chosen shares cost where they were chosen.
     *
     * @param droppedMassPerLayer attention mass that steps of prose pay to what a layer no longer holds, of the prompt
     *     and of what followed it, 0..1
     * @param recallOfFull share of the questions that {@code full} answers, 0..1; NaN where that is none
     */
    public record Prediction(List<Double> droppedMassPerLayer, double recallOfFull) {
        public Prediction {
            droppedMassPerLayer = List.copyOf(droppedMassPerLayer);
        }
    }

    /**
     * Prepares a calibration.
     *
     * @param text prose; half of the windows taken from it choose, half verify
     * @param policy everything but the shares
     * @param tolerance attention mass that a layer may miss, 0..1
     */
    public Calibration(Model model, EvaluationText text, PerLayer policy, double tolerance, String device) {
        if (!(tolerance >= 0 && tolerance <= 1)) {
            throw new IllegalArgumentException("mass loss " + tolerance + " is not accepted; accepted: 0 to 1");
        }
        this.model = model;
        this.text = text;
        this.policy = policy;
        this.tolerance = tolerance;
        this.device = device;
    }

    /**
     * Measures.
     *
     * @param questions recall questions to choose by, and as many again to verify with
     * @throws IllegalArgumentException if the text is too short, or {@code full} answers no question
     */
    public Result run(int questions, long seed, EvaluationProgress progress) {
        int prompt = Math.min(700, model.config().context() * 2 / 3);
        int next = Math.min(NEW_TOKENS, model.config().context() - prompt);
        List<EvaluationText.Window> windows = text.windows(prompt, next, 2 * WINDOWS);
        List<RecallQuestion> asked = new RecallQuestions(model, text).make(questions, seed);
        List<RecallQuestion> heldBack = new RecallQuestions(model, text).make(questions, seed + 1);
        int layers = model.config().layers();
        LostMass prose = new LostMass(SHARES, layers);
        LostMass recall = new LostMass(SHARES, layers);
        int steps = 3 * WINDOWS + 4 * questions;
        for (int i = 0; i < WINDOWS; i++) {
            progress.step("attention of prose", i, steps);
            recordProse(windows.get(2 * i), prose);
        }
        MassTable table;
        List<Double> shares;
        int kept;
        double predictedRecall;
        try (RecallCheck check = new RecallCheck(model, asked)) {
            List<RecordedQuestion> recorded = new ArrayList<>();
            for (int i = 0; i < questions; i++) {
                progress.step("attention of answers", WINDOWS + i, steps);
                KvCacheConfig config =
                        full(asked.get(i).promptTokens() - 1, asked.get(i).tokens());
                RecordedQuestion.record(config, check, asked.get(i), policy, recall)
                        .ifPresent(recorded::add);
            }
            kept = recorded.size();
            progress.step("choosing shares", WINDOWS + questions, steps);
            table = LostMass.larger(prose.table(), recall.table());
            shares = new ShareChooser(table, tolerance, candidate -> holds(candidate, recorded, check)).choose();
            List<Double> chosen = shares;
            predictedRecall = (double) recorded.stream()
                            .filter(question -> question.answersRight(check, chosen))
                            .count()
                    / kept;
        }
        PerLayer profile = CacheEntry.withShares(policy, "profile", shares);
        int done = WINDOWS + 2 * questions;
        EntryResult seen = verify(profile, List.of(windows.get(0), windows.get(2)), List.of(), (what, at, of) -> {});
        Prediction predicted = new Prediction(seen.attention().droppedMassPerLayer(), predictedRecall);
        EntryResult verified = verify(
                profile,
                List.of(windows.get(1), windows.get(3)),
                heldBack,
                (what, at, of) -> progress.step("verifying: " + what, done + at, steps));
        return new Result(profile, table, kept, predicted, verified);
    }

    private void recordProse(EvaluationText.Window window, LostMass lost) {
        KvCacheConfig config = full(window.promptTokens(), window.tokens());
        try (KvCache cache = KvCache.open(config);
                KvSequence sequence = cache.openSequence()) {
            AttentionRecorder recorder = new AttentionRecorder(sequence, config.geometry(), window.tokens());
            Scoring.teacherForced(model, recorder, window.prompt(), window.next());
            lost.add(recorder, policy);
        }
    }

    /** Whether every answer stays right, and as likely. The question that failed moves to the front, to fail early. */
    private static boolean holds(List<Double> shares, List<RecordedQuestion> questions, RecallCheck check) {
        for (int i = 0; i < questions.size(); i++) {
            if (!questions.get(i).answersRight(check, shares)) {
                questions.addFirst(questions.remove(i));
                return false;
            }
        }
        double lost = 0;
        for (RecordedQuestion question : questions) {
            lost += question.natsLost(check, shares);
        }
        return lost <= ANSWER_NATS * questions.size();
    }

    private KvCacheConfig full(int promptTokens, int tokens) {
        return CacheEntry.FULL.config(model, promptTokens, tokens, Map.of(), device);
    }

    private EntryResult verify(
            PerLayer profile,
            List<EvaluationText.Window> windows,
            List<RecallQuestion> questions,
            EvaluationProgress progress) {
        String retention = "layers("
                + profile.shares().stream().map(String::valueOf).collect(Collectors.joining("/"))
                + ",recent=" + profile.recentTokens()
                + ",sinks=" + profile.sinkTokens()
                + ",queries=" + profile.observationQueries()
                + ",pool=" + profile.poolingWidth() + ")";
        CacheEntry entry = CacheEntry.parse("pyramid[retention=" + retention + "]");
        return new Comparison(model, Map.of(), device, windows, questions)
                .run(List.of(entry), progress)
                .getLast();
    }
}
