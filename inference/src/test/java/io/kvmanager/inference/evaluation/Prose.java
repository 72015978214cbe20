package io.kvmanager.inference.evaluation;

import io.kvmanager.inference.model.Model;

/** Text for tests: sentences put together by a counter, a paragraph each line. */
final class Prose {
    private static final String[] WHO = {"The miller", "An old sailor", "Her brother", "The clerk", "A tired rider"};
    private static final String[] DID = {"walked along", "looked across", "came back from", "sang about", "slept beside"
    };
    private static final String[] WHERE = {"the quiet harbor", "a narrow lane", "the snowy hill", "the long wall"};

    static final Model MODEL = Model.load(Model.EMBEDDED);

    private Prose() {}

    static EvaluationText text(int sentences) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < sentences; i++) {
            text.append(WHO[i % WHO.length])
                    .append(' ')
                    .append(DID[i * 7 / 3 % DID.length])
                    .append(' ');
            text.append(WHERE[i / 2 % WHERE.length]).append(i % 3 == 2 ? ".\n" : ". ");
        }
        return EvaluationText.of("prose", text.toString(), MODEL);
    }
}
