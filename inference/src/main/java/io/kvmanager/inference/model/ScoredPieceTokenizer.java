package io.kvmanager.inference.model;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * llama2.c's tokenizer: pieces with scores, as SentencePiece exports them.
 *
 * <pre>
 * i32 longestPiece
 * vocabulary times: f32 score, i32 bytes, the bytes      little-endian
 * </pre>
 *
 * <p>A text becomes the start token, a space, its characters (a character without a piece: its UTF-8 bytes, which have
 * the ids 3 and on); then the neighbours whose joined piece has the best score merge. Immutable.
 */
final class ScoredPieceTokenizer implements Tokenizer {
    private static final int START_ID = 1;
    private static final int FIRST_BYTE_ID = 3;
    private static final int SPECIAL_IDS = 3;
    private static final int LONGEST_PIECE_BYTES = 1 << 16;
    private static final byte[] NOTHING = {};

    private final byte[][] pieces;
    private final float[] scores;
    /** By bytes, as Latin-1 text. */
    private final Map<String, Integer> ids = new HashMap<>();

    private ScoredPieceTokenizer(byte[][] pieces, float[] scores) {
        this.pieces = pieces;
        this.scores = scores;
        for (int id = 0; id < pieces.length; id++) {
            ids.putIfAbsent(latin(pieces[id]), id);
        }
    }

    /** Reads {@code vocabulary} pieces. */
    static ScoredPieceTokenizer parse(String file, MemorySegment bytes, int vocabulary) {
        LittleEndianCursor cursor = new LittleEndianCursor(bytes);
        byte[][] pieces = new byte[vocabulary][];
        float[] scores = new float[vocabulary];
        if (vocabulary < FIRST_BYTE_ID + 256) {
            throw new ModelFormatException(file, "a vocabulary of " + vocabulary + " has no room for 256 bytes");
        }
        if (cursor.remaining() >= Integer.BYTES) {
            cursor.nextInt();
        }
        for (int id = 0; id < vocabulary; id++) {
            boolean present = cursor.remaining() >= Float.BYTES + Integer.BYTES;
            scores[id] = present ? cursor.nextFloat() : 0;
            int length = present ? cursor.nextInt() : 0;
            if (!present || length < 0 || length > Math.min(LONGEST_PIECE_BYTES, cursor.remaining())) {
                throw new ModelFormatException(
                        file, "is truncated or not a tokenizer: it ends in piece " + id + " of " + vocabulary);
            }
            pieces[id] = cursor.nextBytes(length);
        }
        if (cursor.remaining() != 0) {
            throw new ModelFormatException(
                    file, "holds more than the model's " + vocabulary + " pieces: " + cursor.remaining() + " bytes");
        }
        return new ScoredPieceTokenizer(pieces, scores);
    }

    @Override
    public int vocabulary() {
        return pieces.length;
    }

    @Override
    public int[] encode(String text) {
        if (text.isEmpty()) {
            return new int[] {START_ID};
        }
        int[] characters = (" " + text).codePoints().flatMap(this::characterIds).toArray();
        int[] merged = PairMerging.merge(characters, this::merge);
        return IntStream.concat(IntStream.of(START_ID), IntStream.of(merged)).toArray();
    }

    private IntStream characterIds(int character) {
        byte[] bytes = Character.toString(character).getBytes(StandardCharsets.UTF_8);
        Integer id = ids.get(latin(bytes));
        return id != null
                ? IntStream.of(id)
                : IntStream.range(0, bytes.length).map(i -> FIRST_BYTE_ID + (bytes[i] & 0xff));
    }

    private long merge(int left, int right) {
        Integer merged = ids.get(latin(pieces[left]) + latin(pieces[right]));
        return merged == null ? PairMerging.NONE : PairMerging.pack(descending(scores[merged]), merged);
    }

    /** A number that falls as the score rises. */
    private static int descending(float score) {
        int bits = Float.floatToIntBits(score);
        return ~(bits < 0 ? bits ^ 0x7fffffff : bits);
    }

    private static String latin(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    @Override
    public byte[] bytes(int previous, int id) {
        if (id < 0 || id >= pieces.length) {
            throw new IllegalArgumentException(
                    "token id " + id + " is not accepted; accepted: 0 to " + (pieces.length - 1));
        }
        if (id < SPECIAL_IDS) {
            return NOTHING;
        }
        if (id < FIRST_BYTE_ID + 256) {
            return new byte[] {(byte) (id - FIRST_BYTE_ID)};
        }
        byte[] piece = pieces[id];
        boolean swallowSpace = previous == START_ID && piece.length > 0 && piece[0] == ' ';
        return swallowSpace ? Arrays.copyOfRange(piece, 1, piece.length) : piece.clone();
    }
}
