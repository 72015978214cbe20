package io.kvmanager.inference.model;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Byte-level byte-pair encoding, as GPT-2, Llama 3 and our embedded model use it.
 *
 * <ol>
 *   <li>special tokens that stand in the text are cut out
 *   <li>what is between them is split by each pattern in turn: matches and what lies between matches are pieces
 *   <li>a piece's UTF-8 bytes are its first tokens; neighbours merge, the earliest learned merge first
 *   <li>the template's tokens are put around
 * </ol>
 *
 * <p>Immutable.
 */
final class BytePairTokenizer implements Tokenizer {
    private static final byte[] NOTHING = {};

    private final Parts parts;
    private final @Nullable Pattern special;

    /**
     * What a tokenizer file says.
     *
     * @param pieces bytes of each id; null where an id is special or unused
     * @param byteIds id of each single byte
     * @param merges id of the left token in the upper half, of the right one in the lower: {@link PairMerging#pack}
     * @param wholePieces ids of pieces that are looked up before merging, empty unless the file asks for it; by bytes,
     *     as Latin-1 text
     * @param specials ids of special tokens by their text
     * @param splits patterns, in order
     * @param prefix ids put before a text
     * @param suffix ids put behind a text
     */
    record Parts(
            List<byte @Nullable []> pieces,
            List<Integer> byteIds,
            Map<Long, Long> merges,
            Map<String, Integer> wholePieces,
            Map<String, Integer> specials,
            List<Pattern> splits,
            List<Integer> prefix,
            List<Integer> suffix) {}

    BytePairTokenizer(Parts parts) {
        this.parts = parts;
        special = parts.specials().isEmpty()
                ? null
                : Pattern.compile(parts.specials().keySet().stream()
                        .sorted(Comparator.comparingInt(String::length).reversed())
                        .map(Pattern::quote)
                        .collect(Collectors.joining("|")));
    }

    @Override
    public int vocabulary() {
        return parts.pieces().size();
    }

    @Override
    public int[] encode(String text) {
        IntStream.Builder ids = IntStream.builder();
        parts.prefix().forEach(ids::add);
        int from = 0;
        if (special != null) {
            Matcher matcher = special.matcher(text);
            while (matcher.find()) {
                encodePlain(text.substring(from, matcher.start()), ids);
                ids.add(specialId(matcher.group()));
                from = matcher.end();
            }
        }
        encodePlain(text.substring(from), ids);
        parts.suffix().forEach(ids::add);
        return ids.build().toArray();
    }

    private int specialId(String text) {
        Integer id = parts.specials().get(text);
        if (id == null) {
            throw new IllegalStateException("no special token " + text);
        }
        return id;
    }

    private void encodePlain(String text, IntStream.Builder ids) {
        if (text.isEmpty()) {
            return;
        }
        List<String> pieces = List.of(text);
        for (Pattern pattern : parts.splits()) {
            List<String> split = new ArrayList<>();
            for (String piece : pieces) {
                isolate(pattern, piece, split);
            }
            pieces = split;
        }
        Map<String, int[]> known = new HashMap<>();
        for (String piece : pieces) {
            for (int id : known.computeIfAbsent(piece, this::encodePiece)) {
                ids.add(id);
            }
        }
    }

    private static void isolate(Pattern pattern, String text, List<String> into) {
        Matcher matcher = pattern.matcher(text);
        int from = 0;
        while (matcher.find()) {
            if (matcher.start() > from) {
                into.add(text.substring(from, matcher.start()));
            }
            if (matcher.end() > matcher.start()) {
                into.add(matcher.group());
            }
            from = matcher.end();
        }
        if (from < text.length()) {
            into.add(text.substring(from));
        }
    }

    private int[] encodePiece(String piece) {
        byte[] bytes = piece.getBytes(StandardCharsets.UTF_8);
        Integer whole = parts.wholePieces().get(new String(bytes, StandardCharsets.ISO_8859_1));
        if (whole != null) {
            return new int[] {whole};
        }
        int[] ids = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            ids[i] = parts.byteIds().get(bytes[i] & 0xff);
        }
        return PairMerging.merge(ids, this::merge);
    }

    private long merge(int left, int right) {
        return parts.merges().getOrDefault(pair(left, right), PairMerging.NONE);
    }

    /** The key of a pair in {@link Parts#merges}. */
    static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    @Override
    public byte[] bytes(int previous, int id) {
        if (id < 0 || id >= vocabulary()) {
            throw new IllegalArgumentException(
                    "token id " + id + " is not accepted; accepted: 0 to " + (vocabulary() - 1));
        }
        byte[] piece = parts.pieces().get(id);
        return piece == null ? NOTHING : piece.clone();
    }
}
