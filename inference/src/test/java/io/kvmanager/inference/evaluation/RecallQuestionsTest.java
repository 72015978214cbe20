package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

final class RecallQuestionsTest {
    private static final Pattern CODE = Pattern.compile("The code for (\\w+) is( \\d{4})\\.\n");

    private final List<RecallQuestion> questions = new RecallQuestions(Prose.MODEL, Prose.text(1000)).make(70, 3);

    @Test
    void sameSeedSameQuestions() {
        List<RecallQuestion> again = new RecallQuestions(Prose.MODEL, Prose.text(1000)).make(70, 3);
        List<RecallQuestion> others = new RecallQuestions(Prose.MODEL, Prose.text(1000)).make(70, 4);
        for (int i = 0; i < questions.size(); i++) {
            assertArrayEquals(again.get(i).ids(), questions.get(i).ids());
            assertArrayEquals(again.get(i).answerIds(), questions.get(i).answerIds());
            assertFalse(Arrays.equals(others.get(i).ids(), questions.get(i).ids()));
        }
    }

    @Test
    void distancesAreExactInTokens() {
        int codes = 0;
        for (RecallQuestion question : questions) {
            String text = decode(question.ids(), 1, question.promptTokens());
            if (question.kind().equals("code")) {
                codes++;
                String answer = Prose.MODEL.tokenizer().decode(question.answerIds());
                int end = question.promptTokens() - question.distance();
                assertTrue(decode(question.ids(), 1, end).endsWith(" is" + answer + ".\n"), text);
            }
            assertTrue(
                    question.distance() >= 45
                            && question.tokens() <= Prose.MODEL.config().context(),
                    text);
        }
        assertTrue(codes > questions.size() / 2);
        for (int distance : RecallQuestions.DISTANCES) {
            assertTrue(questions.stream().anyMatch(question -> question.distance() == distance), "at " + distance);
        }
    }

    @Test
    void promptsThatFillTheContextHaveTheirFactAtSeveralDepths() {
        int context = Prose.MODEL.config().context();
        List<RecallQuestion> filling = new RecallQuestions(Prose.MODEL, Prose.text(1000)).makeFilling(5, 3);
        double[] depths = {.1, .3, .5, .7, .9};
        for (int i = 0; i < depths.length; i++) {
            assertEquals(depths[i], filling.get(i).depth(), .02);
            assertTrue(filling.get(i).tokens() <= context && filling.get(i).tokens() > context - 60);
        }
    }

    @Test
    void aDecoyOfTheSameKindSaysSomethingElse() {
        for (RecallQuestion question : questions) {
            List<String> names = new ArrayList<>();
            List<String> values = new ArrayList<>();
            Matcher found = CODE.matcher(decode(question.ids(), 1, question.promptTokens()));
            while (question.kind().equals("code") && found.find()) {
                names.add(found.group(1));
                values.add(found.group(2));
            }
            if (question.kind().equals("code")) {
                assertEquals(2, names.size());
                assertEquals(Prose.MODEL.tokenizer().decode(question.answerIds()), values.get(0));
                assertNotEquals(names.get(0), names.get(1));
                assertNotEquals(values.get(0), values.get(1));
            }
        }
    }

    @Test
    void aShortTextIsRefused() {
        RecallQuestions few = new RecallQuestions(Prose.MODEL, Prose.text(4));
        assertThrows(IllegalArgumentException.class, () -> few.make(1, 1));
    }

    private static String decode(int[] ids, int from, int to) {
        return Prose.MODEL.tokenizer().decode(Arrays.copyOfRange(ids, from, to));
    }
}
