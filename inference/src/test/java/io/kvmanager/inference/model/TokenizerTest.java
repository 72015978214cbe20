package io.kvmanager.inference.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TokenizerTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Tokenizer embedded = Model.load(Model.EMBEDDED).tokenizer();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "   leading, trailing   ",
                "It's 2048 o'clock, isn't it?\n\n\tWell...",
                "naïve café — “quotes” … 日本語 🙂🙂 \u0000 \u00ad",
                "a\r\nb\u2028c\u3000d",
                "0123456789 3.14159",
                "don't DON'T we'll"
            })
    void textComesBack(String text) {
        int[] ids = embedded.encode(text);
        assertEquals(0, ids[0]);
        assertEquals(text, embedded.decode(ids));
    }

    @Test
    void randomTextComesBack() {
        Random random = new Random(17);
        for (int round = 0; round < 200; round++) {
            String text = random.ints(random.nextInt(60), 0, 0x3000)
                    .filter(character -> character < 0xd800)
                    .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                    .toString();
            assertEquals(text, embedded.decode(embedded.encode(text)));
        }
    }

    @Test
    void digitsAreSingleAndSpecialTokensAreRecognised() {
        int[] known = {0, 348, 619, 1907, 366, 221, 20, 24, 19, 17, 14};
        assertArrayEquals(known, embedded.encode("The code is 4831."));
        assertEquals(4, embedded.encode("4831").length - 1);
        int[] ids = embedded.encode("one<|endoftext|>two");
        assertEquals(2, Arrays.stream(ids).filter(id -> id == 0).count());
        assertEquals("onetwo", embedded.decode(ids));
        assertThrows(IllegalArgumentException.class, () -> embedded.decode(4096));
        assertThrows(IllegalArgumentException.class, () -> embedded.decode(-1));
    }

    @Test
    void aStreamHoldsBackHalfACharacter() {
        String text = "é🙂日";
        TextStream stream = embedded.stream();
        StringBuilder heard = new StringBuilder();
        for (int id : embedded.encode(text)) {
            String part = stream.next(id);
            assertTrue(part.indexOf('\ufffd') < 0, part);
            heard.append(part);
        }
        assertEquals(text, heard + stream.end());
        int[] ids = embedded.encode("🙂");
        stream.next(ids[1]);
        assertEquals("\ufffd", stream.end());
        assertEquals("", stream.end());
    }

    @Test
    void aLongTextWithoutSpacesIsNotQuadratic() {
        String text = "ab".repeat(100_000);
        assertEquals(text, embedded.decode(embedded.encode(text)));
    }

    @Test
    void mergesFollowTheirRank(@TempDir Path folder) {
        TinyModel tiny = new TinyModel();
        ObjectNode vocabulary = (ObjectNode) tiny.tokenizer.path("model").path("vocab");
        vocabulary.put("bc", 257).put("ab", 258).put("abc", 259);
        tiny.config.put("vocab_size", 260);
        tiny.shapes.put("model.embed_tokens.weight", new int[] {260, TinyModel.HIDDEN});
        tiny.merges().add("b c").add("a b");
        tiny.merges().addArray().add("a").add("bc");
        Tokenizer tokenizer = Model.load(tiny.write(folder).toString()).tokenizer();
        assertArrayEquals(new int[] {259, 258, 258}, tokenizer.encode("abcabab"));
        assertArrayEquals(new int[] {97, 256, 259}, tokenizer.encode("a<s>abc"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "normalizer     | {\"type\": \"NFC\"}                                    | accepted: null",
                "pre_tokenizer  | {\"type\": \"Metaspace\"}                              | accepted: Sequence, Split",
                "pre_tokenizer  | {\"type\": \"Digits\"}                                 | ends with ByteLevel",
                "pre_tokenizer  | {\"type\": \"ByteLevel\", \"add_prefix_space\": true}  | add_prefix_space false",
                "decoder        | {\"type\": \"Metaspace\"}                              | accepted: ByteLevel",
                "post_processor | {\"type\": \"BertProcessing\"}                         | accepted:"
                        + " TemplateProcessing",
                "model          | {\"type\": \"Unigram\"}                                | accepted: BPE",
                "model          | {\"type\": \"BPE\", \"byte_fallback\": true}           | accepted: false",
                "model          | {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []} | no token for byte"
            })
    void whatIsNotSupportedIsSaid(String field, String value, String reason, @TempDir Path folder) throws IOException {
        TinyModel tiny = new TinyModel();
        tiny.tokenizer.set(field, JSON.readTree(value));
        String path = tiny.write(folder).toString();
        String message = String.valueOf(
                assertThrows(ModelFormatException.class, () -> Model.load(path)).getMessage());
        assertTrue(message.contains("tokenizer.json") && message.contains(reason), message);
    }

    @Test
    void scoredPiecesMergeByScoreAndFallBackToBytes() {
        ScoredPieceTokenizer tokenizer = ScoredPieceTokenizer.parse("test", pieces(), 266);
        // " ab": the better score first, so "ab" and then " ab"
        assertArrayEquals(new int[] {1, 263}, tokenizer.encode("ab"));
        // "ba": " b" is no piece
        assertArrayEquals(new int[] {1, 259, 261, 260}, tokenizer.encode("ba"));
        // a character without a piece: its bytes
        assertArrayEquals(new int[] {1, 259, 3 + 0xc3, 3 + 0xa9}, tokenizer.encode("é"));
        assertArrayEquals(new int[] {1}, tokenizer.encode(""));
        for (String text : new String[] {"ab", "ba", "é🙂", " a b  ", "abab ab"}) {
            assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
        }
        assertEquals(" ab", tokenizer.decode(263));
        MemorySegment whole = pieces();
        for (long bytes : new long[] {0, 3, 40, whole.byteSize() - 1}) {
            assertThrows(
                    ModelFormatException.class, () -> ScoredPieceTokenizer.parse("test", whole.asSlice(0, bytes), 266));
        }
        assertThrows(ModelFormatException.class, () -> ScoredPieceTokenizer.parse("test", whole, 265));
        assertThrows(ModelFormatException.class, () -> ScoredPieceTokenizer.parse("test", whole, 100));
    }

    /** Three special ids, 256 bytes, then " ", a, b, ab, " ab", " a", é's like, in that order. */
    private static MemorySegment pieces() {
        ByteBuffer bytes =
                ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN).putInt(8);
        for (String special : new String[] {"<unk>", "<s>", "</s>"}) {
            piece(bytes, special, 0);
        }
        for (int value = 0; value < 256; value++) {
            piece(bytes, String.format("<0x%02X>", value), 0);
        }
        piece(bytes, " ", -10);
        piece(bytes, "a", -11);
        piece(bytes, "b", -12);
        piece(bytes, "ab", -1);
        piece(bytes, " ab", -3);
        piece(bytes, " a", -2);
        piece(bytes, "zz", -4);
        byte[] all = new byte[bytes.position()];
        bytes.flip().get(all);
        return MemorySegment.ofArray(all);
    }

    private static void piece(ByteBuffer bytes, String piece, float score) {
        byte[] text = piece.getBytes(StandardCharsets.UTF_8);
        bytes.putFloat(score).putInt(text.length).put(text);
    }
}
