package io.kvmanager.inference.evaluation;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * How one cache answered a recall question.
 *
 * @param distance tokens from the end of the fact to the end of the question
 * @param depth where in the prompt the fact ends, 0 at its beginning, 1 at its end
 * @param right whether the answer was right
 * @param rightOfFull whether {@code full} answered right
 * @param deviceShare device bytes at peak over what {@code full} holds for the question
 */
public record RecallAnswer(int distance, double depth, boolean right, boolean rightOfFull, double deviceShare) {

    /** Depths that are told apart. */
    private static final int DEPTHS = 4;

    /**
     * Answers that have something in common.
     *
     * @param name what
     * @param questions how many there are
     * @param rightOfFull how many of them {@code full} answers right
     * @param kept how many of the latter this cache answers right
     * @param deviceShareMean mean of {@link RecallAnswer#deviceShare}
     */
    public record Group(String name, int questions, int rightOfFull, int kept, double deviceShareMean) {
        /** Share kept of what {@code full} answers, 0..1; NaN where that is nothing. */
        public double recallOfFull() {
            return (double) kept / rightOfFull;
        }
    }

    /** Answers by distance, rounded to the nearest of {@link RecallQuestions#DISTANCES} or their doubles, ascending. */
    public static List<Group> byDistance(List<RecallAnswer> answers) {
        return groups(answers, RecallAnswer::roundedDistance, String::valueOf);
    }

    /** Answers by quarter of the prompt that the fact ends in, from its beginning. */
    public static List<Group> byDepth(List<RecallAnswer> answers) {
        return groups(
                answers,
                answer -> Math.min(DEPTHS - 1, (int) (answer.depth() * DEPTHS)),
                quarter -> 100 / DEPTHS * quarter + "–" + 100 / DEPTHS * (quarter + 1) + " %");
    }

    private int roundedDistance() {
        List<Integer> steps = new ArrayList<>(RecallQuestions.DISTANCES);
        while (steps.getLast() < distance) {
            steps.add(2 * steps.getLast());
        }
        int nearest = steps.getFirst();
        for (int step : steps) {
            nearest = Math.abs(step - distance) < Math.abs(nearest - distance) ? step : nearest;
        }
        return nearest;
    }

    private static List<Group> groups(
            List<RecallAnswer> answers, Function<RecallAnswer, Integer> key, Function<Integer, String> name) {
        Map<Integer, List<RecallAnswer>> byKey = new TreeMap<>();
        for (RecallAnswer answer : answers) {
            byKey.computeIfAbsent(key.apply(answer), ignored -> new ArrayList<>())
                    .add(answer);
        }
        List<Group> groups = new ArrayList<>();
        byKey.forEach((each, members) -> groups.add(group(name.apply(each), members)));
        return List.copyOf(groups);
    }

    private static Group group(String name, List<RecallAnswer> members) {
        int rightOfFull = 0;
        int kept = 0;
        double shares = 0;
        for (RecallAnswer member : members) {
            rightOfFull += member.rightOfFull() ? 1 : 0;
            kept += member.right() && member.rightOfFull() ? 1 : 0;
            shares += member.deviceShare();
        }
        return new Group(name, members.size(), rightOfFull, kept, shares / members.size());
    }

    /** All of {@code answers} as one group. */
    static Group all(List<RecallAnswer> answers) {
        return group("all", answers);
    }
}
