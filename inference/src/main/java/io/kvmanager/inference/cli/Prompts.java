package io.kvmanager.inference.cli;

import io.kvmanager.inference.model.Model;

/** Text that a flag gives, as ids. */
final class Prompts {
    private static final int TAIL_CHARACTERS = 400;

    private Prompts() {}

    /** The ids of {@code --prompt}; bad input if there are none or they leave no room to generate. */
    static int[] ids(Model model, String text) {
        int[] ids = model.tokenizer().encode(text);
        if (ids.length == 0 || text.isEmpty()) {
            throw new BadInput("--prompt '' is empty; accepted: text of one token or more");
        }
        int context = model.config().context();
        if (ids.length > context) {
            throw new BadInput("--prompt of " + ids.length + " tokens is too long; accepted: 1 to " + context
                    + ", the context of model " + model.name());
        }
        return ids;
    }

    /** The end of a text, from the beginning of a paragraph where it is long. */
    static String tail(String text) {
        if (text.length() <= TAIL_CHARACTERS) {
            return text;
        }
        int paragraph = text.indexOf('\n', text.length() - TAIL_CHARACTERS);
        return paragraph < 0 || paragraph == text.length() - 1
                ? text.substring(text.length() - TAIL_CHARACTERS)
                : text.substring(paragraph + 1);
    }
}
