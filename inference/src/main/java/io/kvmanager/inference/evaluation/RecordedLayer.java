package io.kvmanager.inference.evaluation;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.RetentionPolicy.PerLayer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * K, V and queries that one layer saw, and attention over any part of it.
 *
 * <pre>
 * keys, values   [token][kvHead][headSize]       BF16
 * queries        [query][queryHead][headSize]    F32; the newest of the prompt, then one per token behind it
 * </pre>
 */
final class RecordedLayer {
    private final CacheGeometry geometry;
    private final int keyElements;
    private final int queryElements;
    private final short[] keys;
    private final short[] values;
    private float[] queries = {};
    private int tokens;
    private int queryCount;

    RecordedLayer(CacheGeometry geometry, int maxTokens) {
        this.geometry = geometry;
        keyElements = geometry.keyValueRowElements();
        queryElements = geometry.queryRowElements();
        keys = new short[maxTokens * keyElements];
        values = new short[maxTokens * keyElements];
    }

    int tokens() {
        return tokens;
    }

    /** Appends K and V of {@code rows} tokens. */
    void append(int rows, MemorySegment k, MemorySegment v) {
        AttentionRecorder.store(k, 0, keys, tokens * keyElements, rows * keyElements);
        AttentionRecorder.store(v, 0, values, tokens * keyElements, rows * keyElements);
        tokens += rows;
    }

    /** Appends {@code count} queries, from row {@code first} of {@code q} on. */
    void appendQueries(int first, int count, MemorySegment q) {
        int needed = (queryCount + count) * queryElements;
        if (queries.length < needed) {
            queries = Arrays.copyOf(queries, Math.max(needed, queries.length * 2));
        }
        MemorySegment.copy(
                q,
                ValueLayout.JAVA_FLOAT,
                4L * first * queryElements,
                queries,
                queryCount * queryElements,
                count * queryElements);
        queryCount += count;
    }

    /** Forgets K and V from token {@code length} on. */
    void truncate(int length) {
        tokens = Math.min(tokens, length);
    }

    /** Forgets the queries, which take most of the memory once orders and masses are known. */
    void forgetQueries() {
        queries = new float[0];
        queryCount = 0;
    }

    /**
     * Attention mass that the queries behind the prompt pay each of its tokens: mean over them and over the heads.
     *
     * @param prompt tokens of the prompt
     */
    double[] masses(int prompt) {
        int before = Math.min(prompt, AttentionRecorder.PROMPT_QUERIES);
        int behind = queryCount - before;
        double[] masses = new double[prompt];
        double[] weights = new double[tokens];
        for (int query = 0; query < behind; query++) {
            for (int head = 0; head < geometry.queryHeads(); head++) {
                weights(before + query, head, prompt + query + 1, weights);
                for (int token = 0; token < prompt; token++) {
                    masses[token] += weights[token] / ((double) behind * geometry.queryHeads());
                }
            }
        }
        return masses;
    }

    /**
     * Softmax weights that query {@code query} of head {@code head} gives the first {@code count} tokens.
     *
     * @param weights written, {@code [count]}
     */
    void weights(int query, int head, int count, double[] weights) {
        int group = head / geometry.groupSize();
        int size = geometry.headSize();
        int q = query * queryElements + head * size;
        double scale = 1 / Math.sqrt(size);
        double largest = Double.NEGATIVE_INFINITY;
        for (int token = 0; token < count; token++) {
            weights[token] = scale * dot(queries, q, token * keyElements + group * size);
            largest = Math.max(largest, weights[token]);
        }
        double sum = 0;
        for (int token = 0; token < count; token++) {
            weights[token] = Math.exp(weights[token] - largest);
            sum += weights[token];
        }
        for (int token = 0; token < count; token++) {
            weights[token] /= sum;
        }
    }

    private float dot(float[] query, int at, int key) {
        float sum = 0;
        for (int i = 0; i < geometry.headSize(); i++) {
            sum += query[at + i] * ElementType.BF16.decode(keys[key + i]);
        }
        return sum;
    }

    /**
     * Attention of a query over some tokens.
     *
     * @param q {@code [queryHeads][headSize]}
     * @param positions tokens to read
     * @param out {@code [queryHeads][headSize]}, written
     */
    void attend(float[] q, int[] positions, float[] out) {
        double[] weights = new double[positions.length];
        int size = geometry.headSize();
        double scale = 1 / Math.sqrt(size);
        Arrays.fill(out, 0);
        for (int head = 0; head < geometry.queryHeads(); head++) {
            int column = head / geometry.groupSize() * size;
            double largest = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < positions.length; i++) {
                weights[i] = scale * dot(q, head * size, positions[i] * keyElements + column);
                largest = Math.max(largest, weights[i]);
            }
            double sum = 0;
            for (int i = 0; i < positions.length; i++) {
                weights[i] = Math.exp(weights[i] - largest);
                sum += weights[i];
            }
            for (int i = 0; i < positions.length; i++) {
                float weight = (float) (weights[i] / sum);
                int value = positions[i] * keyElements + column;
                for (int e = 0; e < size; e++) {
                    out[head * size + e] += weight * ElementType.BF16.decode(values[value + e]);
                }
            }
        }
    }

    /**
     * The order in which a cache-only retention keeps the tokens of a prompt: a prefix of it is what it keeps, whatever
     * the share. Recent tokens first, then sinks, then by the attention of the newest queries.
     *
     * @param prompt tokens of the prompt
     * @param policy its shares are not read
     */
    int[] order(int prompt, PerLayer policy) {
        int recent = Math.min(policy.recentTokens(), prompt);
        int context = prompt - recent;
        int voters = Math.min(policy.observationQueries(), recent);
        int promptQueries = Math.min(prompt, AttentionRecorder.PROMPT_QUERIES);
        double[] scores = new double[context];
        double[] weights = new double[prompt];
        for (int voter = 0; voter < voters; voter++) {
            for (int head = 0; head < geometry.queryHeads(); head++) {
                weights(promptQueries - voters + voter, head, prompt - voters + voter + 1, weights);
                for (int token = 0; token < context; token++) {
                    scores[token] += weights[token];
                }
            }
        }
        double[] pooled = pooled(scores, policy.poolingWidth() / 2);
        Arrays.fill(pooled, 0, Math.min(policy.sinkTokens(), context), Double.POSITIVE_INFINITY);
        int[] order = new int[prompt];
        for (int i = 0; i < recent; i++) {
            order[i] = prompt - 1 - i;
        }
        Integer[] ranked = new Integer[context];
        Arrays.setAll(ranked, i -> i);
        Arrays.sort(ranked, (a, b) -> Double.compare(pooled[b], pooled[a])); // stable: ties to the lower token
        for (int i = 0; i < context; i++) {
            order[recent + i] = ranked[i];
        }
        return order;
    }

    private static double[] pooled(double[] scores, int reach) {
        double[] pooled = new double[scores.length];
        for (int i = 0; i < scores.length; i++) {
            for (int j = Math.max(0, i - reach); j <= Math.min(scores.length - 1, i + reach); j++) {
                pooled[i] = Math.max(pooled[i], scores[j]);
            }
        }
        return pooled;
    }

    /** Tokens that a share of a prompt keeps. */
    static int kept(int prompt, double share, PerLayer policy) {
        int least = policy.sinkTokens() + policy.recentTokens();
        return share >= 1 ? prompt : Math.min(prompt, Math.max((int) (prompt * share), least));
    }
}
