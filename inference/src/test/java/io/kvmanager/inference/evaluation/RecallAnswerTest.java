package io.kvmanager.inference.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

final class RecallAnswerTest {
    @Test
    void answersAreGroupedByDistanceAndByDepth() {
        List<RecallAnswer> answers = List.of(
                new RecallAnswer(52, .9, true, true, .4),
                new RecallAnswer(870, .1, false, true, .3),
                new RecallAnswer(49, 1, false, false, .6),
                new RecallAnswer(3000, 0, true, false, .2));
        assertEquals(
                List.of(
                        new RecallAnswer.Group("50", 2, 1, 1, .5),
                        new RecallAnswer.Group("900", 1, 1, 0, .3),
                        new RecallAnswer.Group("3600", 1, 0, 0, .2)),
                RecallAnswer.byDistance(answers));
        assertEquals(
                List.of(
                        new RecallAnswer.Group("0–25 %", 2, 1, 0, .25),
                        new RecallAnswer.Group("75–100 %", 2, 1, 1, .5)),
                RecallAnswer.byDepth(answers));
        assertEquals(.5, RecallAnswer.all(answers).recallOfFull());
    }
}
