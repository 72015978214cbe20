package io.kvmanager.inference.evaluation;

import io.kvmanager.inference.model.Model;
import io.kvmanager.inference.model.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Makes recall questions: {@code The code for Alice is 4831.} is planted in prose, a decoy of the same kind about
 * somebody else stands between, and the prompt ends in {@code What is the code for Alice? The code for Alice is}.
 *
 * <pre>
 * start | lead | fact | filler | decoy | filler | question
 *                           |<---------- distance ---------->|
 * </pre>
 *
 * The forms are those that the embedded model was trained on; other models understand them too, more or less, and a
 * comparison asks what of the answers of {@code full} is kept.
 */
public final class RecallQuestions {
    /** Distances that are tried, tokens; what does not fit the context is left out. */
    public static final List<Integer> DISTANCES = List.of(50, 100, 200, 400, 600, 800, 900);

    private static final int LEAD_TOKENS = 60;
    /** Where the fact ends in a prompt that fills the context. */
    private static final double[] DEPTHS = {.1, .3, .5, .7, .9};
    /** Left free behind such a prompt: the longest answer, and what pieces encoded apart may add. */
    private static final int SPARE_TOKENS = 16;
    /** Of every ten questions six ask for codes: their answers are the longest, so luck answers none. */
    private static final String[] KINDS = {
        "code", "code", "password", "code", "code", "place", "code", "password", "code", "place"
    };

    private static final String[] NAMES = ("Alice Tom Henry Mary Ruth Peter Grace Jack Fanny Walter Lucy Frank Emma "
                    + "George Clara Robert Kate Philip Nora Oscar Bella Harold Jane Martin Rose Edgar Helen Victor "
                    + "Polly Arthur Dora Hugh Ellen Simon Amy Ralph Agnes Felix Susan Miles Edith Conrad Sarah Luke")
            .split(" ");
    private static final String[] THINGS = ("key ring map letter box lamp coin book cup knife watch bell sword crown"
        + " basket purse mirror candle rope feather button shell drum flute hat glove bottle spoon kite ball")
            .split(" ");
    private static final String[] PLACES = ("garden kitchen barn forest tower river cave church school cellar market "
                    + "library stable mill harbor castle attic orchard meadow bridge tent wagon tunnel palace")
            .split(" ");
    private static final String[] WORDS = ("silver apple winter tiger castle honey thunder rabbit golden ocean pepper "
                    + "velvet marble sunset copper falcon ginger island jungle lemon mango nectar orange pearl quartz")
            .split(" ");

    private final Model model;
    private final EvaluationText filler;

    /** A fact as it is told, and as it is asked for. */
    private record Fact(String told, String asked, String answer) {}

    /**
     * Prepares questions.
     *
     * @param filler prose that stands around the facts
     */
    public RecallQuestions(Model model, EvaluationText filler) {
        this.model = model;
        this.filler = filler;
    }

    /**
     * {@code count} questions, distances and kinds in turn. The same seed gives the same questions.
     *
     * @throws IllegalArgumentException if none fits the model's context, or the text is too short
     */
    public List<RecallQuestion> make(int count, long seed) {
        Random random = new Random(seed);
        List<RecallQuestion> questions = new ArrayList<>();
        int context = model.config().context();
        for (int i = 0; questions.size() < count; i++) {
            int distance = DISTANCES.get(i % DISTANCES.size());
            if (i % DISTANCES.size() == 0 && distance + 2 * LEAD_TOKENS > context) {
                throw new IllegalArgumentException(
                        "no recall question fits the model's context of " + context + " tokens");
            }
            String kind = KINDS[(i / DISTANCES.size() + i) % KINDS.length];
            RecallQuestion question = question(kind, LEAD_TOKENS, distance, random);
            if (question.tokens() <= context) {
                questions.add(question);
            }
        }
        return List.copyOf(questions);
    }

    /**
     * {@code count} questions whose prompts fill the model's context, the fact at several depths in turn. The same seed
     * gives the same questions.
     *
     * @throws IllegalArgumentException if the text or the context is too short
     */
    public List<RecallQuestion> makeFilling(int count, long seed) {
        Random random = new Random(seed);
        List<RecallQuestion> questions = new ArrayList<>();
        int prompt = model.config().context() - SPARE_TOKENS;
        for (int i = 0; i < count; i++) {
            double depth = DEPTHS[i % DEPTHS.length];
            int lead = (int) (prompt * depth) - LEAD_TOKENS / 2;
            int distance = prompt - (int) (prompt * depth);
            if (lead < 0 || distance < LEAD_TOKENS) {
                throw new IllegalArgumentException(
                        "no recall question fits the model's context of " + (prompt + SPARE_TOKENS) + " tokens");
            }
            String kind = KINDS[(i / DEPTHS.length + i) % KINDS.length];
            questions.add(question(kind, lead, distance, random));
        }
        return List.copyOf(questions);
    }

    private RecallQuestion question(String kind, int lead, int distance, Random random) {
        int name = random.nextInt(NAMES.length);
        int other = (name + 1 + random.nextInt(NAMES.length - 1)) % NAMES.length;
        Fact fact = fact(kind, NAMES[name], random);
        Fact decoy = fact(kind, NAMES[other], random);
        while (decoy.answer().equals(fact.answer())) {
            decoy = fact(kind, NAMES[other], random);
        }
        int[] told = encode(fact.told() + fact.answer() + ".\n");
        int[] between = encode(decoy.told() + decoy.answer() + ".\n");
        int[] asked = encode(fact.asked());
        int gap = Math.max(0, distance - asked.length - between.length);
        int[] prose = filler.passage(random.nextDouble(), lead + gap);
        int middle = lead + gap / 2;
        int start = model.config().startId();
        int[] ids = concat(
                start == ModelConfig.NO_TOKEN ? new int[0] : new int[] {start},
                Arrays.copyOf(prose, lead),
                told,
                Arrays.copyOfRange(prose, lead, middle),
                between,
                Arrays.copyOfRange(prose, middle, prose.length),
                asked);
        return new RecallQuestion(kind, gap + between.length + asked.length, ids, encode(fact.answer()));
    }

    private static Fact fact(String kind, String name, Random random) {
        return switch (kind) {
            case "code" -> {
                String value = " " + (1000 + random.nextInt(9000));
                String told = "The code for " + name + " is";
                yield new Fact(told, "What is the code for " + name + "? " + told, value);
            }
            case "place" -> {
                String thing = any(THINGS, random);
                String asked = "Where did " + name + " hide the " + thing + "? In the";
                yield new Fact(name + " hid the " + thing + " in the", asked, " " + any(PLACES, random));
            }
            default -> {
                String value = " " + any(WORDS, random) + " " + any(WORDS, random);
                String asked = "What is the password of " + name + "? It is";
                yield new Fact("The password of " + name + " is", asked, value);
            }
        };
    }

    private static String any(String[] words, Random random) {
        return words[random.nextInt(words.length)];
    }

    private int[] encode(String text) {
        return EvaluationText.encode(model, text);
    }

    private static int[] concat(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }
}
