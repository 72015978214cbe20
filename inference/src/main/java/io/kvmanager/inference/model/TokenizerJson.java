package io.kvmanager.inference.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/**
 * Reads the byte-level BPE part of Hugging Face's {@code tokenizer.json} and refuses, in one line, what would encode
 * otherwise.
 */
final class TokenizerJson {
    /** How GPT-2 splits text: contractions, words, numbers and the rest with the space before them, then spaces. */
    private static final Pattern GPT2_SPLIT =
            compile("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

    private final JsonFields fields;
    private final JsonFields model;
    private final Map<String, Integer> ids = new HashMap<>();
    private final Map<String, Integer> specials = new HashMap<>();
    private final List<Pattern> splits = new ArrayList<>();
    private final List<Integer> prefix = new ArrayList<>();
    private final List<Integer> suffix = new ArrayList<>();

    private TokenizerJson(JsonFields fields) {
        this.fields = fields;
        model = new JsonFields(fields.file(), fields.required("model"));
    }

    static Tokenizer parse(JsonFields fields) {
        return new TokenizerJson(fields).parse();
    }

    private Tokenizer parse() {
        model.mustBe("type", model.text("type", "").equals("BPE"), "BPE");
        model.mustBe("byte_fallback", !model.flag("byte_fallback", false), "false");
        model.mustBe(
                "continuing_subword_prefix",
                model.text("continuing_subword_prefix", "").isEmpty(),
                "none");
        model.mustBe("end_of_word_suffix", model.text("end_of_word_suffix", "").isEmpty(), "none");
        model.mustBe("dropout", model.number("dropout", 0) == 0, "none");
        fields.mustBe("normalizer", !fields.has("normalizer"), "null");
        String decoder = fields.node().path("decoder").path("type").asText("");
        fields.mustBe("decoder", decoder.equals("ByteLevel"), "ByteLevel");
        readVocabulary();
        readSpecials();
        if (!readPreTokenizer(fields.required("pre_tokenizer"))) {
            throw unsupported("pre_tokenizer", fields.required("pre_tokenizer"), "one that ends with ByteLevel");
        }
        readPostProcessor(fields.node().path("post_processor"));

        List<byte @Nullable []> pieces = pieces();
        Map<String, Integer> whole = new HashMap<>();
        if (model.flag("ignore_merges", false)) {
            for (int id = 0; id < pieces.size(); id++) {
                byte[] piece = pieces.get(id);
                if (piece != null) {
                    whole.put(new String(piece, StandardCharsets.ISO_8859_1), id);
                }
            }
        }
        return new BytePairTokenizer(
                new BytePairTokenizer.Parts(pieces, byteIds(), merges(), whole, specials, splits, prefix, suffix));
    }

    private void readVocabulary() {
        for (Map.Entry<String, JsonNode> entry : model.required("vocab").properties()) {
            ids.put(entry.getKey(), id(entry.getKey(), entry.getValue()));
        }
    }

    private int id(String token, JsonNode id) {
        if (!id.canConvertToInt() || id.intValue() < 0 || id.intValue() >= 1 << 24) {
            throw new ModelFormatException(fields.file(), "token '" + token + "' has id " + id);
        }
        return id.intValue();
    }

    private void readSpecials() {
        for (JsonNode token : fields.node().path("added_tokens")) {
            String content = token.path("content").asText("");
            boolean plain = !token.path("lstrip").asBoolean()
                    && !token.path("rstrip").asBoolean()
                    && !token.path("single_word").asBoolean();
            if (content.isEmpty() || !plain) {
                throw unsupported("added token", token, "text without lstrip, rstrip and single_word");
            }
            specials.put(content, id(content, token.path("id")));
        }
    }

    /** Reads a pre-tokenizer and returns whether it ended with the step to bytes. */
    private boolean readPreTokenizer(JsonNode step) {
        switch (step.path("type").asText("")) {
            case "Sequence" -> {
                boolean bytes = false;
                for (JsonNode inner : step.path("pretokenizers")) {
                    if (bytes) {
                        throw unsupported("pre_tokenizer", inner, "nothing behind ByteLevel");
                    }
                    bytes = readPreTokenizer(inner);
                }
                return bytes;
            }
            case "ByteLevel" -> {
                if (step.path("add_prefix_space").asBoolean()) {
                    throw unsupported("pre_tokenizer", step, "add_prefix_space false");
                }
                if (step.path("use_regex").asBoolean(true)) {
                    splits.add(GPT2_SPLIT);
                }
                return true;
            }
            case "Digits" -> splits.add(compile(step.path("individual_digits").asBoolean() ? "\\p{N}" : "\\p{N}+"));
            case "Split" -> splits.add(split(step));
            default -> throw unsupported("pre_tokenizer", step, "Sequence, Split, Digits, ByteLevel");
        }
        return false;
    }

    private Pattern split(JsonNode step) {
        if (!step.path("behavior").asText("").equals("Isolated")
                || step.path("invert").asBoolean()) {
            throw unsupported("pre_tokenizer", step, "behavior Isolated, not inverted");
        }
        JsonNode pattern = step.path("pattern");
        if (pattern.path("String").isTextual()) {
            return Pattern.compile(Pattern.quote(pattern.path("String").textValue()));
        }
        try {
            return compile(pattern.path("Regex").asText());
        } catch (PatternSyntaxException e) {
            throw new ModelFormatException(fields.file(), "pattern " + pattern + " is not understood", e);
        }
    }

    private static Pattern compile(String regex) {
        return Pattern.compile(regex, Pattern.UNICODE_CHARACTER_CLASS);
    }

    private void readPostProcessor(JsonNode step) {
        switch (step.path("type").asText("")) {
            case "", "ByteLevel" -> {}
            case "Sequence" -> step.path("processors").forEach(this::readPostProcessor);
            case "TemplateProcessing" -> {
                List<Integer> side = prefix;
                for (JsonNode part : step.path("single")) {
                    if (part.has("Sequence")) {
                        side = suffix;
                    } else {
                        String name = part.path("SpecialToken").path("id").asText();
                        for (JsonNode id :
                                step.path("special_tokens").path(name).path("ids")) {
                            side.add(id(name, id));
                        }
                    }
                }
            }
            default -> throw unsupported("post_processor", step, "TemplateProcessing, ByteLevel, Sequence, null");
        }
    }

    private List<byte @Nullable []> pieces() {
        int count = 0;
        for (int id : ids.values()) {
            count = Math.max(count, id + 1);
        }
        for (int id : specials.values()) {
            count = Math.max(count, id + 1);
        }
        byte @Nullable [][] pieces = new byte[count][];
        ids.forEach((token, id) -> {
            if (!specials.containsKey(token)) {
                pieces[id] = bytes(token);
            }
        });
        return Arrays.asList(pieces);
    }

    /** The bytes that a vocabulary entry's characters stand for. */
    private byte[] bytes(String token) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int i = 0; i < token.length(); i++) {
            int value = BYTE_CHARACTERS.indexOf(token.charAt(i));
            if (value < 0) {
                throw new ModelFormatException(fields.file(), "token '" + token + "' is not byte-level");
            }
            bytes.write(value);
        }
        return bytes.toByteArray();
    }

    private List<Integer> byteIds() {
        List<Integer> byteIds = new ArrayList<>();
        for (int value = 0; value < 256; value++) {
            Integer id = ids.get(String.valueOf(BYTE_CHARACTERS.charAt(value)));
            if (id == null) {
                throw new ModelFormatException(fields.file(), "has no token for byte " + value);
            }
            byteIds.add(id);
        }
        return byteIds;
    }

    private Map<Long, Long> merges() {
        Map<Long, Long> merges = new HashMap<>();
        int rank = 0;
        for (JsonNode merge : model.required("merges")) {
            String[] sides = merge.isArray()
                    ? new String[] {merge.path(0).asText(), merge.path(1).asText()}
                    : merge.asText().split(" ", 2);
            Integer left = ids.get(sides[0]);
            Integer right = sides.length == 2 ? ids.get(sides[1]) : null;
            Integer merged = sides.length == 2 ? ids.get(sides[0] + sides[1]) : null;
            if (left == null || right == null || merged == null) {
                throw new ModelFormatException(fields.file(), "merge " + merge + " names a token that is not there");
            }
            merges.putIfAbsent(BytePairTokenizer.pair(left, right), PairMerging.pack(rank, merged));
            rank++;
        }
        return merges;
    }

    /**
     * The character that stands for each byte in a vocabulary: itself where it is printable Latin-1, else the next free
     * one from U+0100 on.
     */
    private static final String BYTE_CHARACTERS = byteCharacters();

    private static String byteCharacters() {
        StringBuilder characters = new StringBuilder();
        int free = 0x100;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value >= '!' && value <= '~') || (value >= 0xa1 && value != 0xad);
            characters.append((char) (printable ? value : free++));
        }
        return characters.toString();
    }

    private ModelFormatException unsupported(String what, JsonNode found, String accepted) {
        return new ModelFormatException(fields.file(), what + " " + found + " is not supported; accepted: " + accepted);
    }
}
