package io.kvmanager.testing;

/**
 * Attention in double precision, one loop per formula, over dense arrays: the oracle of the contract suites.
 *
 * <pre>
 * q [rows][queryHeads][headSize]      k, v [tokens][kvHeads][headSize]
 * score(row, head, t) = q[row][head] . k[t][head / groupSize] / sqrt(headSize)
 * </pre>
 *
 * @param queryHeads query heads
 * @param kvHeads KV heads
 * @param headSize elements per head
 */
public record ReferenceAttention(int queryHeads, int kvHeads, int headSize) {

    /** The scaled score of one query row and head against one token. */
    public double score(float[] q, int row, int head, float[] k, int token) {
        int query = (row * queryHeads + head) * headSize;
        int key = (token * kvHeads + head / (queryHeads / kvHeads)) * headSize;
        double sum = 0;
        for (int e = 0; e < headSize; e++) {
            sum += (double) q[query + e] * k[key + e];
        }
        return sum / Math.sqrt(headSize);
    }

    /** Natural logarithm of the sum of the exponentials of the scores of tokens 0..tokens-1. */
    public double logSumExp(float[] q, int row, int head, float[] k, int tokens) {
        double max = Double.NEGATIVE_INFINITY;
        for (int token = 0; token < tokens; token++) {
            max = Math.max(max, score(q, row, head, k, token));
        }
        double sum = 0;
        for (int token = 0; token < tokens; token++) {
            sum += Math.exp(score(q, row, head, k, token) - max);
        }
        return max + Math.log(sum);
    }

    /** Softmax weights over tokens 0..tokens-1. */
    public double[] weights(float[] q, int row, int head, float[] k, int tokens) {
        double logSumExp = logSumExp(q, row, head, k, tokens);
        double[] weights = new double[tokens];
        for (int token = 0; token < tokens; token++) {
            weights[token] = Math.exp(score(q, row, head, k, token) - logSumExp);
        }
        return weights;
    }

    /** Sum of {@code weights} from token {@code from} up to, not including, {@code to} or the end. */
    public static double mass(double[] weights, int from, int to) {
        double sum = 0;
        for (int token = from; token < Math.min(to, weights.length); token++) {
            sum += weights[token];
        }
        return sum;
    }

    /** Adds {@code weights[from..to-1]} times the values of these tokens to {@code out}, one head's elements. */
    public void addValues(double[] weights, int from, int to, int head, float[] v, double[] out) {
        for (int token = from; token < Math.min(to, weights.length); token++) {
            int value = (token * kvHeads + head / (queryHeads / kvHeads)) * headSize;
            for (int e = 0; e < headSize; e++) {
                out[e] += weights[token] * v[value + e];
            }
        }
    }

    /** One head's attention output over tokens 0..tokens-1. */
    public double[] attend(float[] q, int row, int head, float[] k, float[] v, int tokens) {
        double[] out = new double[headSize];
        addValues(weights(q, row, head, k, tokens), 0, tokens, head, v, out);
        return out;
    }

    /** Attention that the rows of {@code q} pay to one token: weighted over rows, mean over query heads. */
    public double columnScore(float[] q, float[] logSumExp, float[] rowWeights, float[] k, int token) {
        double score = 0;
        for (int row = 0; row < rowWeights.length; row++) {
            double sum = 0;
            for (int head = 0; head < queryHeads; head++) {
                sum += Math.exp(score(q, row, head, k, token) - logSumExp[row * queryHeads + head]);
            }
            score += rowWeights[row] * sum / queryHeads;
        }
        return score;
    }
}
