package io.kvmanager.paging;

import io.kvmanager.ElementType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The identity of full blocks: a chain of SHA-256 digests over all that decides a block's content. Two blocks may stand
 * for each other exactly when their digests are equal, in every tier and every process.
 *
 * <p>Canonical serialisation; {@code u32} and {@code i32} are four bytes, little-endian; {@code text} is a {@code u32}
 * count of UTF-8 bytes and these bytes; {@code params} is a {@code u32} count of pairs and, in the order of Java's
 * {@code String.compareTo} on the names, {@code text} name and {@code text} value of each:
 *
 * <pre>
 * root  = SHA-256( "kv-prefix-root-1\n"          17 bytes of ASCII
 *                  text   model
 *                  text   elementType            the enum constant's name, such as BF16
 *                  u32    blockTokens
 *                  i32    layerGroup
 *                  text   prunePolicy            "none" where nothing is pruned
 *                  params prunePolicy parameters
 *                  text   adapter                empty without one
 *                  text   tenantSalt )
 *
 * block = SHA-256( "B"                           1 byte
 *                  parent                        32 bytes: the block before it, or root
 *                  i32    tokens[blockTokens] )
 * </pre>
 *
 * <p>Every variable part carries its length, so no two inputs share a serialisation. A block covers exactly
 * {@code blockTokens} tokens; a partial block has no identity. A digest is kept as four {@code long}s, big-endian, in
 * the order of its bytes.
 *
 * <p>Not thread-safe. A call allocates nothing beyond what {@link MessageDigest} does.
 */
final class BlockIdentity {
    /** Longs of one digest. */
    static final int DIGEST_LONGS = 4;

    private static final int DIGEST_BYTES = 32;
    private static final byte[] ROOT_TAG = "kv-prefix-root-1\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte BLOCK_TAG = 'B';

    private final MessageDigest sha256;
    private final int blockTokens;
    private final byte[] serialised;
    private final ByteBuffer content;
    private final byte[] digest = new byte[DIGEST_BYTES];
    private final ByteBuffer digestWords = ByteBuffer.wrap(digest);
    private final long[] root = new long[DIGEST_LONGS];

    /**
     * What the blocks of a prefix have in common.
     *
     * @param model name and revision of the weights
     * @param elementType of K and V
     * @param blockTokens tokens of a block
     * @param layerGroup which layers' K and V the block stands for; 0 where one block id means all layers
     * @param prunePolicy name of the selection at chunk boundaries, {@code none} where nothing is pruned
     * @param pruneParameters its parameters, all that change what is kept
     * @param adapter name and revision of an adapter, empty without one
     * @param tenantSalt secret of the tenant, empty where all may share
     */
    record Scope(
            String model,
            ElementType elementType,
            int blockTokens,
            int layerGroup,
            String prunePolicy,
            Map<String, String> pruneParameters,
            String adapter,
            String tenantSalt) {
        Scope {
            pruneParameters = Map.copyOf(pruneParameters);
            if (blockTokens < 1) {
                throw new IllegalArgumentException("blocks of " + blockTokens + " tokens; expected 1 or more");
            }
        }
    }

    BlockIdentity(Scope scope) {
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        blockTokens = scope.blockTokens();
        serialised = new byte[1 + DIGEST_BYTES + Integer.BYTES * blockTokens];
        content = ByteBuffer.wrap(serialised).order(ByteOrder.LITTLE_ENDIAN);
        updateRoot(scope);
        finish(root, 0);
    }

    private void updateRoot(Scope scope) {
        sha256.update(ROOT_TAG);
        updateText(scope.model());
        updateText(scope.elementType().name());
        updateInt(scope.blockTokens());
        updateInt(scope.layerGroup());
        updateText(scope.prunePolicy());
        TreeMap<String, String> parameters = new TreeMap<>(scope.pruneParameters());
        updateInt(parameters.size());
        parameters.forEach((name, value) -> List.of(name, value).forEach(this::updateText));
        updateText(scope.adapter());
        updateText(scope.tenantSalt());
    }

    private void updateText(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        updateInt(bytes.length);
        sha256.update(bytes);
    }

    private void updateInt(int value) {
        content.putInt(0, value);
        sha256.update(serialised, 0, Integer.BYTES);
    }

    private void finish(long[] digests, int offset) {
        try {
            sha256.digest(digest, 0, DIGEST_BYTES);
        } catch (DigestException e) {
            throw new IllegalStateException("SHA-256 has 32 bytes", e);
        }
        for (int i = 0; i < DIGEST_LONGS; i++) {
            digests[offset + i] = digestWords.getLong(i * Long.BYTES);
        }
    }

    /** The parent of every first block, four longs. */
    long[] root() {
        return root.clone();
    }

    /**
     * Digests of the full blocks of a prompt; tokens behind the last full block have none.
     *
     * @param tokens token ids
     * @param count how many of them
     * @param digests receives four longs per block from index 0 on
     * @return full blocks
     */
    int digest(int[] tokens, int count, long[] digests) {
        int blocks = count / blockTokens;
        for (int block = 0; block < blocks; block++) {
            long[] parents = block == 0 ? root : digests;
            digestBlock(
                    parents,
                    block == 0 ? 0 : (block - 1) * DIGEST_LONGS,
                    tokens,
                    block * blockTokens,
                    digests,
                    block * DIGEST_LONGS);
        }
        return blocks;
    }

    /**
     * Digest of one block behind its parent, as a decoding sequence needs it when a block fills.
     *
     * @param parents holds the parent's four longs from {@code parentOffset} on
     * @param tokens holds the block's tokens from {@code firstToken} on
     * @param digests receives four longs from {@code offset} on
     */
    void digestBlock(long[] parents, int parentOffset, int[] tokens, int firstToken, long[] digests, int offset) {
        serialised[0] = BLOCK_TAG;
        content.order(ByteOrder.BIG_ENDIAN);
        for (int i = 0; i < DIGEST_LONGS; i++) {
            content.putLong(1 + i * Long.BYTES, parents[parentOffset + i]);
        }
        content.order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < blockTokens; i++) {
            content.putInt(1 + DIGEST_BYTES + i * Integer.BYTES, tokens[firstToken + i]);
        }
        sha256.update(serialised);
        finish(digests, offset);
    }
}
