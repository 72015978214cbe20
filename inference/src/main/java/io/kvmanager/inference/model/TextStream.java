package io.kvmanager.inference.model;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Turns ids into text one by one, and holds back the bytes of a character until its last one is there. */
public final class TextStream {
    private final Tokenizer tokenizer;
    private final CharsetDecoder utf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private ByteBuffer pending = ByteBuffer.allocate(64);
    private int previous = ModelConfig.NO_TOKEN;

    TextStream(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** The characters that {@code id} completes, often its whole text, sometimes none. */
    public String next(int id) {
        byte[] bytes = tokenizer.bytes(previous, id);
        previous = id;
        if (bytes.length > pending.remaining()) {
            pending =
                    ByteBuffer.allocate(2 * (pending.position() + bytes.length)).put(pending.flip());
        }
        pending.put(bytes);
        return decode(false);
    }

    /** What is left at the end: U+FFFD for a character that never became whole, else nothing. */
    public String end() {
        String rest = decode(true);
        utf8.reset();
        previous = ModelConfig.NO_TOKEN;
        return rest;
    }

    private String decode(boolean last) {
        pending.flip();
        CharBuffer text = CharBuffer.allocate(pending.remaining() + 1);
        utf8.decode(pending, text, last);
        if (last) {
            utf8.flush(text);
        }
        pending.compact();
        return text.flip().toString();
    }
}
