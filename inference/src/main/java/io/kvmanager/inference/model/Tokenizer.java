package io.kvmanager.inference.model;

import java.util.List;

/** Text to token ids and back. Immutable; a {@link TextStream} of it is not. */
public sealed interface Tokenizer permits BytePairTokenizer, ScoredPieceTokenizer {

    /** Ids are 0 up to below this. */
    int vocabulary();

    /** The ids of a text, the model's start token first where it has one. */
    int[] encode(String text);

    /**
     * The UTF-8 bytes that a token stands for; a part of a character where a character is split over tokens, none for a
     * special token.
     *
     * @param previous the id before it, or {@link ModelConfig#NO_TOKEN}; a start token swallows the space behind it
     * @throws IllegalArgumentException if {@code id} is outside the vocabulary
     */
    byte[] bytes(int previous, int id);

    /** The text of all ids; bytes that are no UTF-8 become U+FFFD. */
    default String decode(int... ids) {
        TextStream stream = new TextStream(this);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(stream.next(id));
        }
        return text.append(stream.end()).toString();
    }

    /** {@link #decode(int...)} of a list. */
    default String decode(List<Integer> ids) {
        return decode(ids.stream().mapToInt(Integer::intValue).toArray());
    }

    /** Text token by token, for printing while it is generated. */
    default TextStream stream() {
        return new TextStream(this);
    }
}
