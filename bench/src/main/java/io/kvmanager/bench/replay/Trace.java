package io.kvmanager.bench.replay;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Requests in order of arrival, each a chain of blocks.
 *
 * <pre>
 * request r   arrivalMillis[r], inputTokens[r], blocks first[r] .. first[r + 1] - 1
 * number[i]   dense number of block i: one per block and chain of blocks before it
 * digests     four longs per block: SHA-256(parent's digest, the trace's id of the block)
 * turn[r]     requests of the same conversation before it: one more than the turn of the request that last used the
 *             deepest block seen before, if that is not the first block; else 0
 * </pre>
 */
final class Trace {
    private static final int DIGEST_LONGS = 4;

    private final String name;
    private final int blockTokens;
    private final long[] arrivalMillis;
    private final int[] inputTokens;
    private final int[] turn;
    private final int[] first;
    private final int[] number;
    private final long[] digests;
    private final int uniqueBlocks;

    private Trace(Builder builder, String name) {
        this.name = name;
        blockTokens = builder.blockTokens;
        int requests = builder.requests;
        arrivalMillis = Arrays.copyOf(builder.arrivalMillis, requests);
        inputTokens = Arrays.copyOf(builder.inputTokens, requests);
        turn = Arrays.copyOf(builder.turn, requests);
        first = Arrays.copyOf(builder.first, requests + 1);
        number = Arrays.copyOf(builder.number, first[requests]);
        uniqueBlocks = builder.numbers.size();
        digests = new long[number.length * DIGEST_LONGS];
        for (int i = 0; i < number.length; i++) {
            System.arraycopy(builder.digests, number[i] * DIGEST_LONGS, digests, i * DIGEST_LONGS, DIGEST_LONGS);
        }
    }

    String name() {
        return name;
    }

    int blockTokens() {
        return blockTokens;
    }

    int requests() {
        return arrivalMillis.length;
    }

    /** Blocks of all requests, each as often as it is used. */
    int references() {
        return number.length;
    }

    int uniqueBlocks() {
        return uniqueBlocks;
    }

    long arrivalMillis(int request) {
        return arrivalMillis[request];
    }

    int inputTokens(int request) {
        return inputTokens[request];
    }

    int turn(int request) {
        return turn[request];
    }

    /** Index of a request's first block in {@link #number} and {@link #digests}. */
    int firstBlock(int request) {
        return first[request];
    }

    int blocks(int request) {
        return first[request + 1] - first[request];
    }

    int number(int block) {
        return number[block];
    }

    /** Four longs per block; not to be written to. */
    long[] digests() {
        return digests;
    }

    int longestRequestBlocks() {
        int longest = 1;
        for (int r = 0; r < requests(); r++) {
            longest = Math.max(longest, blocks(r));
        }
        return longest;
    }

    /** Collects requests in order of arrival. */
    static final class Builder {
        private static final int NO_PARENT = -1;

        private final int blockTokens;
        private final MessageDigest sha256;
        private final byte[] content = new byte[(DIGEST_LONGS + 1) * Long.BYTES];
        private final ByteBuffer contentWords = ByteBuffer.wrap(content);
        private final Map<Node, Integer> numbers = new HashMap<>();
        private long[] arrivalMillis = new long[1024];
        private int[] inputTokens = new int[1024];
        private int[] turn = new int[1024];
        private int[] first = new int[1025];
        private int[] number = new int[1024];
        private long[] digests = new long[DIGEST_LONGS * 1024];
        private int[] lastUser = new int[1024];
        private int requests;

        /** A block behind another one. */
        private record Node(int parent, long id) {}

        Builder(int blockTokens) {
            this.blockTokens = blockTokens;
            try {
                sha256 = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java platform has SHA-256", e);
            }
        }

        /**
         * Adds a request.
         *
         * @param ids of its blocks; equal ids behind equal chains are the same block
         */
        void add(long millis, int tokens, long[] ids) {
            if (requests == arrivalMillis.length) {
                arrivalMillis = Arrays.copyOf(arrivalMillis, 2 * requests);
                inputTokens = Arrays.copyOf(inputTokens, 2 * requests);
                turn = Arrays.copyOf(turn, 2 * requests);
                first = Arrays.copyOf(first, 2 * requests + 1);
            }
            int start = first[requests];
            if (start + ids.length > number.length) {
                number = Arrays.copyOf(number, Math.max(2 * number.length, start + ids.length));
            }
            arrivalMillis[requests] = millis;
            inputTokens[requests] = tokens;
            int parent = NO_PARENT;
            int known = 0;
            for (int i = 0; i < ids.length; i++) {
                int before = numbers.size();
                parent = numberOf(parent, ids[i]);
                number[start + i] = parent;
                if (parent < before) {
                    known = i + 1;
                }
            }
            turn[requests] = known > 1 ? turn[lastUser[number[start + known - 1]]] + 1 : 0;
            for (int i = start; i < start + ids.length; i++) {
                lastUser[number[i]] = requests;
            }
            first[++requests] = start + ids.length;
        }

        private int numberOf(int parent, long id) {
            Node node = new Node(parent, id);
            Integer found = numbers.get(node);
            if (found != null) {
                return found;
            }
            int next = numbers.size();
            numbers.put(node, next);
            if (next == lastUser.length) {
                lastUser = Arrays.copyOf(lastUser, 2 * next);
                digests = Arrays.copyOf(digests, 2 * DIGEST_LONGS * next);
            }
            for (int i = 0; i < DIGEST_LONGS; i++) {
                contentWords.putLong(i * Long.BYTES, parent == NO_PARENT ? 0 : digests[parent * DIGEST_LONGS + i]);
            }
            contentWords.putLong(DIGEST_LONGS * Long.BYTES, id);
            ByteBuffer digest = ByteBuffer.wrap(sha256.digest(content));
            digest.asLongBuffer().get(digests, next * DIGEST_LONGS, DIGEST_LONGS);
            return next;
        }

        /**
         * The trace of what was added.
         *
         * @throws IllegalArgumentException if that has no block
         */
        Trace build(String name) {
            if (first[requests] == 0) {
                throw new IllegalArgumentException("holds no request with a block");
            }
            return new Trace(this, name);
        }
    }
}
