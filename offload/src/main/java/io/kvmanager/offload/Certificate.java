package io.kvmanager.offload;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * How far an attention's output can be from the exact one, and which tiles to read until that is little enough.
 *
 * <p>K is in device memory, so every weight is exact. Where a block b is not read, something stands in for its rows
 * v_i: zero, their mean, or their shadow. The <em>reach</em> of a block is the largest distance of a row from what
 * stands in for it, measured when the block was sealed. With P_b, the block's mass, the error of a query head is
 *
 * <pre>
 * |sum over unread b, i in b of p_i (v_i - stand-in_i)|  &lt;=  sum over unread b of P_b * reach_b  =  E
 * </pre>
 *
 * by the triangle inequality. Under {@code renormalise} the output m is the mean of what was read; it replaces the
 * unread rows by m, so there the reach grows by |m|, and E again bounds the error. A block's <em>share</em> of a query
 * head's bound is its term of E, an F32. Masses are sums of F32 weights; shares are taken a little larger for their
 * rounding. What E does not contain is the rounding of the kernels that computed the output.
 *
 * <p>E is a sum of <em>units</em>: {@code 2^SHARE_BITS} of them are the power of two at or below the query head's
 * largest share, and a share is rounded up to whole ones. So sums are the same in any order, which a device that
 * certifies in parallel needs to choose the same tiles. Where a share is not finite, E has no end.
 *
 * <p>{@code certified(epsilon)} asks for {@code E <= epsilon * |exact|}. The exact norm is not known, but at least
 * {@code |out| - E}; so {@code E <= epsilon * (|out| - E)} is enough, or {@code E <= target = |out| * epsilon / (1 +
 * epsilon)}. A round, per KV head:
 * <ol>
 *   <li>E and target of every query head of its group. If none exceeds its target, the round ends.
 *   <li>Order the unread blocks by the largest of {@code share / |out|} in the group, ties by block.
 *   <li>Select the shortest run of them that brings every E down to its goal. The goal of round r is its target times
 *       {@code 1 - r / (ROUNDS - 1)}: the norm of the next output may be smaller, and the last goal is 0, where nothing
 *       with a share is left out.
 * </ol>
 */
final class Certificate {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final double ROUNDING = 1 + 0x1p-17;
    private static final int SHARE_BITS = 31;
    private static final long ENDLESS = Long.MAX_VALUE;
    private static final double LARGEST_UNITS = 0x1p62;
    private static final int LANES = 32;

    private final int headSize;
    private final int kvHeads;
    private final int groupSize;
    private final boolean renormalises;
    private final double epsilon;
    private final double[] norms;
    private final double[] scales;
    private final long[] bounds;
    private final long[] needs;
    private final long[] covered;
    private final long[] upper;
    private final double[] squares = new double[LANES];
    private float[] shares = {};
    private long[] keys = {};
    private int selected;

    Certificate(CacheGeometry geometry, ValueSelection selection, Compensation compensation) {
        headSize = geometry.headSize();
        kvHeads = geometry.kvHeads();
        groupSize = geometry.groupSize();
        renormalises = compensation == Compensation.RENORMALISE;
        epsilon = selection instanceof ValueSelection.Certified certified ? certified.epsilon() : 0;
        norms = new double[geometry.queryHeads()];
        scales = new double[groupSize];
        bounds = new long[groupSize];
        needs = new long[groupSize];
        covered = new long[groupSize];
        upper = new long[groupSize];
    }

    /** Takes the output's norms. */
    void read(MemorySegment out, AttentionWorkspace workspace) {
        int stride = workspace.maxBlocks();
        if (keys.length < stride) {
            keys = new long[stride];
            shares = new float[groupSize * stride];
        }
        for (int head = 0; head < norms.length; head++) {
            norms[head] = norm(out, head);
        }
    }

    /** Sums over every 32nd element, added half to half: as a warp adds them. */
    private double norm(MemorySegment out, int head) {
        Arrays.fill(squares, 0);
        for (int e = 0; e < headSize; e++) {
            double element = out.getAtIndex(FLOAT, (long) head * headSize + e);
            squares[e % LANES] += element * element;
        }
        for (int lanes = LANES / 2; lanes > 0; lanes /= 2) {
            for (int i = 0; i < lanes; i++) {
                squares[i] += squares[i + lanes];
            }
        }
        return Math.sqrt(squares[0]);
    }

    /** Computes the shares and bounds of a KV head's group with what the selector says is read. */
    private void measure(int kvHead, ValueSelector selector, MemorySegment reaches) {
        for (int member = 0; member < groupSize; member++) {
            int head = kvHead * groupSize + member;
            int row = member * keys.length;
            double own = renormalises ? norms[head] : 0;
            float largest = 0;
            for (int i = 0; i < selector.offloadedCount(); i++) {
                int block = selector.offloaded(i);
                float mass = selector.mass(head, block);
                float share = 0;
                if (mass > 0 && !selector.isRead(kvHead, block)) {
                    float reach = reaches.getAtIndex(FLOAT, (long) selector.home(block) * kvHeads + kvHead);
                    share = (float) (mass * (reach + own) * ROUNDING);
                    share = share < Float.POSITIVE_INFINITY ? share : Float.POSITIVE_INFINITY;
                }
                shares[row + i] = share;
                largest = Math.max(largest, share);
            }
            boolean endless = largest == Float.POSITIVE_INFINITY;
            int exponent = (Float.floatToRawIntBits(largest) >>> 23) - Float.MAX_EXPONENT;
            scales[member] = endless ? 0 : Math.scalb(1.0, SHARE_BITS - exponent);
            bounds[member] = endless ? ENDLESS : units(row, selector.offloadedCount(), scales[member]);
        }
    }

    private long units(int row, int count, double scale) {
        long sum = 0;
        for (int i = row; i < row + count; i++) {
            sum += units(shares[i], scale);
        }
        return sum;
    }

    private static long units(float share, double scale) {
        return (long) Math.ceil(share * scale);
    }

    /** Whole units within a length. */
    private static long unitsWithin(double length, double scale) {
        double units = length * scale;
        return units > 0 ? (long) Math.min(units, LARGEST_UNITS) : 0;
    }

    /** One round for one KV head; {@link #chosen} has what is to be read as well. Returns how many tiles that is. */
    int refine(int kvHead, int round, ValueSelector selector, MemorySegment reaches) {
        selected = 0;
        measure(kvHead, selector, reaches);
        boolean met = true;
        for (int member = 0; member < groupSize; member++) {
            double norm = norms[kvHead * groupSize + member];
            long bound = bounds[member];
            met &= bound <= unitsWithin(norm * TileResidency.goal(epsilon, 0), scales[member]);
            long goal = unitsWithin(norm * TileResidency.goal(epsilon, round), scales[member]);
            needs[member] = bound == ENDLESS ? ENDLESS : Math.max(0, bound - goal);
            covered[member] = 0;
        }
        if (!met) {
            selected = select(order(kvHead, selector));
        }
        return selected;
    }

    /** Fills keys with the unread blocks that have a share; returns how many. */
    private int order(int kvHead, ValueSelector selector) {
        int stride = keys.length;
        int count = 0;
        for (int i = 0; i < selector.offloadedCount(); i++) {
            float largest = 0;
            for (int member = 0; member < groupSize; member++) {
                float share = shares[member * stride + i];
                if (share > 0) {
                    float relative = (float) (share / norms[kvHead * groupSize + member]);
                    relative = relative < Float.POSITIVE_INFINITY ? relative : Float.POSITIVE_INFINITY;
                    largest = Math.max(largest, Math.max(relative, Float.MIN_VALUE));
                }
            }
            keys[count] = TileKeys.key(largest, i);
            count += largest > 0 ? 1 : 0;
        }
        return count;
    }

    /** {@link TileKeys#selectLargest} with as many needs as the group has query heads. */
    private int select(int count) {
        int low = 0;
        int high = count;
        while (low < high && !isCovered(covered)) {
            int middle = TileKeys.split(keys, low, high);
            System.arraycopy(covered, 0, upper, 0, groupSize);
            for (int i = low; i < middle; i++) {
                cover(upper, TileKeys.block(keys[i]));
            }
            if (isCovered(upper)) {
                high = middle;
            } else {
                cover(upper, TileKeys.block(keys[middle]));
                System.arraycopy(upper, 0, covered, 0, groupSize);
                low = middle + 1;
            }
        }
        return low;
    }

    private void cover(long[] sums, int index) {
        for (int member = 0; member < groupSize; member++) {
            if (needs[member] != ENDLESS) {
                sums[member] += units(shares[member * keys.length + index], scales[member]);
            }
        }
    }

    private boolean isCovered(long[] sums) {
        boolean all = true;
        for (int member = 0; member < groupSize; member++) {
            all &= sums[member] >= needs[member];
        }
        return all;
    }

    /** Logical block of the last {@link #refine}'s tile {@code index}; in no particular order. */
    int chosen(int index, ValueSelector selector) {
        return selector.offloaded(TileKeys.block(keys[index]));
    }

    /** Counts the bounds of an attention. */
    void account(ValueSelector selector, MemorySegment reaches, FetchTally tally) {
        for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
            measure(kvHead, selector, reaches);
            for (int member = 0; member < groupSize; member++) {
                int head = kvHead * groupSize + member;
                double bound = bounds[member] == ENDLESS ? Double.POSITIVE_INFINITY : bounds[member] / scales[member];
                tally.bound(head, bound, norms[head]);
            }
        }
    }
}
