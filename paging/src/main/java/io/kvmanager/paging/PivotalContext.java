package io.kvmanager.paging;

/**
 * Chooses the pivotal context (PvC): the {@code keep} best of {@code count} scored slots, sinks first of all, ties to
 * the lower slot, in ascending order. Scratch is allocated once.
 */
final class PivotalContext {
    private final float[] scores;
    private final float[] scratch;

    PivotalContext(int maxTokens) {
        scores = new float[maxTokens];
        scratch = new float[maxTokens];
    }

    /**
     * Writes the chosen slots, counted from {@code firstSlot}, to {@code chosen} from entry {@code at} on.
     *
     * @param raw scores of the first {@code count} slots
     * @param count scored slots
     * @param keep how many to choose, at most {@code count}
     * @param sinks leading slots that are chosen whatever their score
     * @param poolingWidth width of the maximum filter over the scores, odd
     * @param chosen written
     * @return the entry behind the last one written
     */
    int choose(float[] raw, int count, int keep, int sinks, int poolingWidth, int firstSlot, int[] chosen, int at) {
        pool(raw, count, poolingWidth / 2);
        for (int i = 0; i < Math.min(sinks, count); i++) {
            scores[i] = Float.POSITIVE_INFINITY;
        }
        if (keep <= 0) {
            return at;
        }
        System.arraycopy(scores, 0, scratch, 0, count);
        float threshold = largest(scratch, count, keep);
        int above = 0;
        for (int i = 0; i < count; i++) {
            above += scores[i] > threshold ? 1 : 0;
        }
        int ties = keep - above;
        int next = at;
        for (int i = 0; i < count; i++) {
            boolean tie = scores[i] == threshold;
            if (scores[i] > threshold || (tie && ties > 0)) {
                ties -= tie ? 1 : 0;
                chosen[next++] = firstSlot + i;
            }
        }
        return next;
    }

    private void pool(float[] raw, int count, int reach) {
        for (int i = 0; i < count; i++) {
            float best = raw[i];
            for (int j = Math.max(0, i - reach); j <= Math.min(count - 1, i + reach); j++) {
                best = Math.max(best, raw[j]);
            }
            scores[i] = best;
        }
    }

    /** The {@code rank}-th largest of the first {@code count} values, rank from 1; reorders them (quickselect). */
    static float largest(float[] values, int count, int rank) {
        int low = 0;
        int high = count - 1;
        int target = rank - 1;
        while (low < high) {
            float pivot = values[(low + high) >>> 1];
            int i = low;
            int j = high;
            while (i <= j) {
                while (values[i] > pivot) {
                    i++;
                }
                while (values[j] < pivot) {
                    j--;
                }
                if (i <= j) {
                    float swap = values[i];
                    values[i++] = values[j];
                    values[j--] = swap;
                }
            }
            if (target <= j) {
                high = j;
            } else if (target >= i) {
                low = i;
            } else {
                break;
            }
        }
        return values[target];
    }
}
